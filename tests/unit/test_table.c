/* SPDX-License-Identifier: ISC */
/*
 * test_table - the device table against an array in the order of insertion.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "table.h"

#define NODES_MAX   200000
#define ID_ROOM     257  /* bytes */
#define MOVED_NODES 6000 /* past several segments */
#define MOVED_MAX   64   /* by one insertion; a bucket holds about one */

struct item {
	struct table_node node;
	struct devref ref; /* what the table gave at first */
	char *id;
	size_t len;
};

/*
 * Ids as people choose them, and worse: numbered, long with one difference at
 * the end or the beginning, binary, one a prefix of the next.
 */
static size_t
make_id(char id[ID_ROOM], size_t i)
{
	int len;

	switch (i % 5) {
	case 0:
		len = snprintf(id, ID_ROOM, "device-%zu", i);
		return (size_t)len;
	case 1:
		memset(id, 'x', 256);
		memcpy(id + 256 - sizeof(i), &i, sizeof(i));
		return 256;
	case 2:
		memset(id, 'x', 100);
		memcpy(id, &i, sizeof(i));
		return 100;
	case 3:
		memcpy(id, &i, sizeof(i));
		return sizeof(i);
	default:
		len = snprintf(id, ID_ROOM, "device-%zu/", i - 4);
		return (size_t)len;
	}
}

static struct item *
make_items(size_t count)
{
	struct item *items = calloc(count, sizeof(*items));
	char id[ID_ROOM];
	size_t i;

	assert_non_null(items);
	for (i = 0; i < count; i++) {
		items[i].len = make_id(id, i);
		items[i].id = malloc(items[i].len);
		assert_non_null(items[i].id);
		memcpy(items[i].id, id, items[i].len);
		items[i].node.id = items[i].id;
		items[i].node.id_len = (uint32_t)items[i].len;
	}
	return items;
}

static void
free_items(struct item *items, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(items[i].id);
	free(items);
}

static void
check_present(const struct table *t, struct item *items, size_t i)
{
	char id[ID_ROOM];
	size_t len = make_id(id, i);

	assert_ptr_equal(table_find(t, id, len), &items[i].node);
	assert_ptr_equal(table_get(t, items[i].ref), &items[i].node);
	assert_ptr_equal(table_at(t, i), &items[i].node);
	assert_int_equal(items[i].node.ref.slot, items[i].ref.slot);
	assert_int_equal(items[i].node.ref.gen, items[i].ref.gen);
}

/* One byte more, one less, another at the end. */
static void
check_relatives_absent(const struct table *t, size_t i)
{
	char id[ID_ROOM];
	size_t len = make_id(id, i);

	if (i % 5 == 4)
		return;
	id[len - 1] ^= (char)0x80;
	assert_null(table_find(t, id, len));
	id[len - 1] ^= (char)0x80;
	if (i % 5 == 0)
		return;
	id[len] = '#';
	assert_null(table_find(t, id, len + 1));
	if (i % 5 != 3)
		assert_null(table_find(t, id, len - 1));
}

static void
check_all(const struct table *t, struct item *items, size_t count,
    size_t present)
{
	char id[ID_ROOM];
	size_t i, len;

	assert_int_equal(table_count(t), present);
	for (i = 0; i < present; i++) {
		check_present(t, items, i);
		check_relatives_absent(t, i);
	}
	for (; i < count; i++) {
		len = make_id(id, i);
		assert_null(table_find(t, id, len));
	}
}

static void
add_item(struct table *t, struct item *item)
{
	assert_int_equal(table_add(t, &item->node), 0);
	item->ref = item->node.ref;
	assert_int_not_equal(item->ref.gen, 0);
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
test_against_model(void **state)
{
	static const size_t checks[] = { 1, 2, 63, 64, 65, 1023, 1024, 1025,
		2047, 2048, 2049, 3000, 20000, 65536, NODES_MAX };
	struct item *items = make_items(NODES_MAX);
	struct table *t = table_new();
	uint64_t start, longest = 0;
	size_t i, k = 0;

	(void)state;
	assert_non_null(t);
	check_all(t, items, 100, 0);
	for (i = 0; i < NODES_MAX; i++) {
		start = now_ns();
		add_item(t, &items[i]);
		if (now_ns() - start > longest)
			longest = now_ns() - start;
		if (i + 1 == checks[k]) {
			check_all(t, items,
			    i + 1000 < NODES_MAX ? i + 1000 : NODES_MAX, i + 1);
			k++;
		}
	}
	print_message("longest insertion of %d: %u us\n", NODES_MAX,
	    (unsigned int)(longest / 1000));
	table_free(&t);
	assert_null(t);
	table_free(&t);
	free_items(items, NODES_MAX);
}

static void
test_stale_refs(void **state)
{
	struct item *items = make_items(10);
	struct table *t = table_new();
	struct devref none = { 0, 0 }, ref;
	size_t i;

	(void)state;
	assert_null(table_get(t, none));
	for (i = 0; i < 10; i++)
		add_item(t, &items[i]);
	assert_null(table_get(t, none));
	ref = items[3].ref;
	ref.gen++;
	assert_null(table_get(t, ref));
	ref = items[9].ref;
	ref.slot++;
	assert_null(table_get(t, ref));
	ref.slot = UINT32_MAX;
	assert_null(table_get(t, ref));
	table_free(&t);
	free_items(items, 10);
}

/* How many nodes an insertion has linked anew. */
static size_t
count_moved(const struct item *items, struct table_node **next, size_t count)
{
	size_t i, moved = 0;

	for (i = 0; i < count; i++) {
		if (items[i].node.next != next[i])
			moved++;
		next[i] = items[i].node.next;
	}
	return moved;
}

/* The table grows by a few nodes at a time, never by all. */
static void
test_no_pause(void **state)
{
	struct item *items = make_items(MOVED_NODES);
	struct table_node **next = calloc(MOVED_NODES, sizeof(*next));
	struct table *t = table_new();
	size_t i, moved, total = 0;

	(void)state;
	assert_non_null(next);
	for (i = 0; i < MOVED_NODES; i++) {
		add_item(t, &items[i]);
		moved = count_moved(items, next, i + 1);
		assert_true(moved <= MOVED_MAX);
		total += moved;
	}
	/* It does grow: chains that only became longer would move none. */
	assert_true(total > MOVED_NODES * 5 / 4);
	table_free(&t);
	free(next);
	free_items(items, MOVED_NODES);
}

/* The mean of what a search passes stays small whatever the size. */
static void
test_chains_short(void **state)
{
	struct item *items = make_items(NODES_MAX / 2);
	struct table *t = table_new();
	const struct table_node *n;
	size_t i, passed = 0;

	(void)state;
	for (i = 0; i < NODES_MAX / 2; i++)
		add_item(t, &items[i]);
	for (i = 0; i < NODES_MAX / 2; i++) {
		for (n = items[i].node.next; n != NULL; n = n->next)
			passed++;
	}
	assert_true(passed < NODES_MAX);
	table_free(&t);
	free_items(items, NODES_MAX / 2);
}

static void
test_at_past_end(void **state)
{
	struct table *t = table_new();
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		close(STDERR_FILENO);
		(void)table_at(t, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	table_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_stale_refs),
		cmocka_unit_test(test_no_pause),
		cmocka_unit_test(test_chains_short),
		cmocka_unit_test(test_at_past_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
