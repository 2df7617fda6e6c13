/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "address.h"
#include "conf_object.h"

static char oncall[] = "oncall", spaced[] = "a b", anna[] = "anna";
static char bert[] = "bert", comma[] = "x,y";
static char *both[] = { anna, bert }, *odd[] = { comma };
static struct conf_group items[] = {
	{ oncall, { both, 2 } },
	{ spaced, { odd, 1 } },
};
static const struct conf_groups groups = { items, 2 };

/* The ids that a path names, each in brackets, or why it names none. */
static const char *
named(const char *path)
{
	static char text[2000];
	struct address_list *list;
	const char *fault;
	size_t i;

	assert_true(address_is_list(path, strlen(path), &groups));
	fault = address_parse(path, strlen(path), &groups, &list);
	if (fault != NULL) {
		assert_null(list);
		return fault;
	}
	text[0] = '\0';
	for (i = 0; i < list->count; i++) {
		assert_int_equal(strlen(list->item[i].id), list->item[i].len);
		strcat(text, "[");
		strcat(text, list->item[i].id);
		strcat(text, "]");
	}
	address_free(&list);
	assert_null(list);
	return text;
}

static void
test_commas_separate(void **state)
{
	(void)state;
	assert_string_equal(named("a,b"), "[a][b]");
	assert_string_equal(named("a%2Cb,c"), "[a,b][c]");
	assert_string_equal(named("%61,a,b,a"), "[a][b]");
	assert_string_equal(named("x@y,z"), "[x@y][z]");
	assert_string_equal(named("a,%20"), "[a][ ]");
}

static void
test_groups(void **state)
{
	(void)state;
	assert_string_equal(named("@oncall"), "[anna][bert]");
	assert_string_equal(named("bert,@oncall,c"), "[bert][anna][c]");
	assert_string_equal(named("@on%63all,%40oncall"),
	    "[anna][bert][@oncall]");
	assert_string_equal(named("@a%20b"), "[x,y]");
	/* What is no group is a device. */
	assert_string_equal(named("@none,a"), "[@none][a]");
	assert_string_equal(named("@,a"), "[@][a]");
}

static void
test_one_device_is_no_list(void **state)
{
	static const char *const paths[] = { "a", "a%2Cb", "%40oncall", "@none",
		"@", "", "a@oncall", "@oncall%00", "@%FF" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_false(
		    address_is_list(paths[i], strlen(paths[i]), &groups));
	assert_false(address_is_list("@oncall", 7, NULL));
	assert_true(address_is_list("@oncall,a", 9, NULL));
	/* No more than LEN is looked at. */
	assert_false(address_is_list("a,b", 1, &groups));
}

static void
test_every_part_must_be_an_id(void **state)
{
	static const char *const paths[] = { ",", "a,", ",a", "a,,b", "a,%00",
		"a,-/ready", "a,%FF" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_non_null(strstr(named(paths[i]), "device id"));
}

static void
test_there_may_not_be_too_many(void **state)
{
	char path[ADDRESS_MAX * 8 + 20] = "";
	struct address_list *list;
	size_t i, len = 0;

	(void)state;
	for (i = 0; i < ADDRESS_MAX; i++)
		len += (size_t)sprintf(path + len, i == 0 ? "%zu" : ",%zu", i);
	assert_null(address_parse(path, len, &groups, &list));
	assert_int_equal(list->count, ADDRESS_MAX);
	assert_string_equal(list->item[ADDRESS_MAX - 1].id, "999");
	address_free(&list);
	strcpy(path + len, ",999");
	assert_string_equal(named(path), "more than 1000 devices are named");
	strcpy(path, "@oncall");
	for (i = 0; i < 500; i++)
		strcat(path, ",@oncall");
	assert_string_equal(named(path), "more than 1000 devices are named");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commas_separate),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_one_device_is_no_list),
		cmocka_unit_test(test_every_part_must_be_an_id),
		cmocka_unit_test(test_there_may_not_be_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
