/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>

#include "fields.h"
#include "multipart.h"

#define TYPE "multipart/form-data; boundary=b"
#define PART(name)                                                             \
	"--b\r\nContent-Disposition: form-data; name=" name "\r\n\r\n"
#define END "\r\n--b--\r\n"

static int
parse(const char *type, const char *text, size_t len, struct fields *fs)
{
	char *copy = malloc(len > 0 ? len : 1);
	int r;

	memset(fs, 0, sizeof(*fs));
	memcpy(copy, text, len);
	errno = 0;
	r = multipart_parse(type, copy, len, fs);
	free(copy);
	return r;
}

static void
check_type(const char *type, const char *text, const char *title,
    const char *content)
{
	struct fields fs;

	if (parse(type, text, strlen(text), &fs) != 0)
		fail_msg("refused: %s", text);
	assert_int_equal(fs.title.text == NULL, title == NULL);
	assert_int_equal(fs.content.text == NULL, content == NULL);
	if (title != NULL)
		assert_string_equal(fs.title.text, title);
	if (content != NULL)
		assert_string_equal(fs.content.text, content);
	fields_free(&fs);
}

static void
check_parse(const char *text, const char *title, const char *content)
{
	check_type(TYPE, text, title, content);
}

static void
check_refused(const char *type, const char *text)
{
	struct fields fs;

	if (parse(type, text, strlen(text), &fs) != -1)
		fail_msg("taken: %s: %s", type, text);
	assert_int_equal(errno, EBADMSG);
	fields_free(&fs);
}

static void
test_parts(void **state)
{
	(void)state;
	check_parse(PART("\"title\"") "T\r\n" PART("\"content\"") "C" END, "T",
	    "C");
	check_parse(PART("content") "a\r\n\r\nb\r\n" END, NULL,
	    "a\r\n\r\nb\r\n");
	check_parse(PART("\"x\"") "1\r\n" PART("\"title\"") "T" END, "T", NULL);
	check_parse(PART("\"title\"") "1\r\n" PART("\"title\"") "2" END, "1",
	    NULL);
	check_parse(PART("\"Title\"") "1" END, NULL, NULL);
	check_parse("preamble\r\n" PART("\"title\"") "T" END "epilogue\r\n--b",
	    "T", NULL);
	check_parse("--b--", NULL, NULL);
	check_parse(PART("\"title\"") "\xff" END, "\xef\xbf\xbd", NULL);
}

static void
test_empty_part(void **state)
{
	(void)state;
	check_parse(PART("\"title\"") END, "", NULL);
	check_parse(PART("\"title\"") "--b--", "", NULL);
	check_parse("--b\r\n\r\nx" END, NULL, NULL);
}

static void
test_line_ends(void **state)
{
	(void)state;
	check_parse("--b\nContent-Disposition: form-data; name=\"title\"\n"
		    "\nT\n--b\nContent-Disposition: form-data; name=content\n"
		    "\na\nb\n\n--b--\n",
	    "T", "a\nb\n");
	check_parse(PART("\"title\"") "T\r\n--b--", "T", NULL);
	check_parse(PART("\"title\"") "T\r\n--b-- \t \r\n", "T", NULL);
	check_parse("--b  \r\nContent-Disposition:form-data;name=title\r\n\r\n"
		    "T" END,
	    "T", NULL);
}

/* What only looks like a delimiter is text. */
static void
test_false_delimiters(void **state)
{
	(void)state;
	check_parse(PART("\"title\"") "x--b--\r\n--bb\r\n--B\r\n-b" END,
	    "x--b--\r\n--bb\r\n--B\r\n-b", NULL);
	check_parse(PART("\"title\"") "--b x\r\n --b--\r\n--b-\r\n--b--x" END,
	    "--b x\r\n --b--\r\n--b-\r\n--b--x", NULL);
	check_parse("x" PART("\"title\"") "T" PART("\"title\"") "U" END, NULL,
	    NULL);
}

static void
test_headers(void **state)
{
	(void)state;
	check_parse("--b\r\nX: y\r\ncontent-disposition :\r\n FORM-DATA ;\r\n"
		    "\tfilename=\"a;name=\\\"x\" ; NAME = \"title\"\r\n"
		    "Content-Type: text/plain\r\n\r\n body" END,
	    " body", NULL);
	check_parse("--b\r\nContent-Disposition: attachment; name=title\r\n\r\n"
		    "T" END,
	    NULL, NULL);
	check_parse("--b\r\nContent-Disposition: form-data\r\n\r\nT" END, NULL,
	    NULL);
	check_parse("--b\r\nX-Content-Disposition: form-data; name=title\r\n"
		    "\r\nT" END,
	    NULL, NULL);
	check_parse(PART("\"tit\\\"le\"") "T" END, NULL, NULL);
	check_parse("--b\r\nContent-Disposition: form-data; name=title\r\n"
		    "Content-Transfer-Encoding: 8bit\r\n\r\nT" END,
	    "T", NULL);
}

static void
test_boundaries(void **state)
{
	char type[128] = "multipart/form-data; boundary=", body[256] = "--";
	char text[MULTIPART_BOUNDARY_MAX + 1];

	(void)state;
	check_type("Multipart/Form-Data; charset=\"x;boundary=c\"; BOUNDARY=b",
	    PART("\"title\"") "T" END, "T", NULL);
	check_type("multipart/form-data; boundary=\"a \\\"b:\"; boundary=c",
	    "--a \"b:\r\nContent-Disposition: form-data; name=title\r\n\r\nT"
	    "\r\n--a \"b:--",
	    "T", NULL);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	strcat(type, text);
	strcat(body, text);
	strcat(body, "--");
	check_type(type, body, NULL, NULL);
	strcat(type, "x");
	body[strlen(body) - 2] = '\0';
	strcat(body, "x--");
	check_refused(type, body);
}

static void
test_refused(void **state)
{
	(void)state;
	check_refused("multipart/form-data", PART("title") "T" END);
	check_refused("multipart/form-data; boundary=", PART("title") "T" END);
	check_refused("multipart/form-data; boundary=\"\"", "----");
	check_refused("multipart/form-data; boundary", PART("title") "T" END);
	check_refused("multipart/form-data; xboundary=b", "--b--");
	check_refused(TYPE, "");
	check_refused(TYPE, "x");
	check_refused(TYPE, "--b");
	check_refused(TYPE, PART("title") "T");
	check_refused(TYPE, PART("title") "T\r\n--b");
	check_refused(TYPE, PART("title") "T\r\n--b\r\n");
	check_refused(TYPE, "--b\r\nContent-Disposition: form-data" END);
	check_refused(TYPE, "--b\r\n--b--");
	check_refused(TYPE,
	    "--b\r\nContent-Disposition: form-data; name=title\r\n"
	    "content-transfer-encoding: BASE64\r\n\r\nVA==" END);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_empty_part),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_false_delimiters),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_boundaries),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
