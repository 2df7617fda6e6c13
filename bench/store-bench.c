/* SPDX-License-Identifier: ISC */
/*
 * store-bench - what the store costs by itself, without a daemon.
 *
 *	store-bench commits DIR GROUP SECONDS
 * commits groups of GROUP messages, and beside it appends the same bytes to a
 * file with one fdatasync a group; by turns, a tenth of a second each.
 *	store-bench fill DIR COUNT
 * leaves COUNT messages for a daemon to find.
 * Prints the figures as JSON.
 */
#include "config.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "meter.h"
#include "store.h"
#include "store_file.h"
#include "store_lmdb.h"

#define TEXT  "\"title\":\"benchmark\",\"content\":\"%0100d\""
#define SLICE (METER_SECOND / 10)
#define BATCH 1000
#define ROOM  (UINT64_C(1) << 33)

struct bench {
	struct store *store;
	int fd; /* of the bare file */
	size_t group;
	struct store_item *items;
	uint64_t next; /* key */
	char text[256];
	uint8_t *bytes; /* of a group */
	size_t len;
};

static int
bench_ignore(void *arg, const struct store_item *item)
{
	(void)arg;
	(void)item;
	return 0;
}

static void
bench_check(int error, const char *what)
{
	if (error != 0)
		errx(1, "%s: %s", what, strerror(error));
}

static void
bench_open(struct bench *b, const char *dir, size_t group)
{
	char *path = store_file_path(dir, "bare");
	size_t i;

	memset(b, 0, sizeof(*b));
	b->store = store_lmdb_new(dir, ROOM);
	if (b->store == NULL)
		exit(1);
	bench_check(store_scan(b->store, bench_ignore, NULL), "scan");
	b->fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (b->fd == -1)
		err(1, "%s", path);
	free(path);
	snprintf(b->text, sizeof(b->text), TEXT, 0);
	b->group = group;
	b->next = RECORD_KEY_HEAD + 1;
	b->items = calloc(group, sizeof(b->items[0]));
	if (b->items == NULL)
		err(1, NULL);
	for (i = 0; i < group; i++)
		b->items[i].record = (struct record){ .kind = RECORD_MESSAGE,
			.id = "device",
			.id_len = 6,
			.time = clock_real_ms(),
			.text = b->text,
			.text_len = strlen(b->text) };
	b->len = group * record_size(&b->items[0].record);
	b->bytes = calloc(1, b->len);
	if (b->bytes == NULL)
		err(1, NULL);
}

static void
bench_close(struct bench *b, const char *dir)
{
	char *path = store_file_path(dir, "bare");

	store_free(&b->store);
	close(b->fd);
	unlink(path);
	free(path);
	free(b->items);
	free(b->bytes);
}

/* One group into the store. */
static void
bench_put(struct bench *b)
{
	size_t i;

	for (i = 0; i < b->group; i++) {
		b->items[i].key = b->next;
		b->items[i].record.mid = b->next++;
	}
	bench_check(store_put(b->store, b->items, b->group), "put");
	bench_check(store_sync(b->store), "sync");
}

/* The same to the bare file. */
static void
bench_append(struct bench *b)
{
	if (write(b->fd, b->bytes, b->len) != (ssize_t)b->len ||
	    fdatasync(b->fd) == -1)
		err(1, "bare file");
}

/* How many a second of WHAT, over one slice. */
static double
bench_slice(struct bench *b, void (*what)(struct bench *))
{
	int64_t began = meter_now(), now;
	double count = 0;

	do {
		what(b);
		count++;
		now = meter_now();
	} while (now - began < SLICE);
	return count * (double)METER_SECOND / (double)(now - began);
}

static void
bench_commits(const char *dir, size_t group, double seconds)
{
	double store = 0, bare = 0, rounds = 0;
	struct bench b;
	int64_t until;

	bench_open(&b, dir, group);
	until = meter_now() + (int64_t)(seconds * (double)METER_SECOND);
	do {
		store += bench_slice(&b, bench_put);
		bare += bench_slice(&b, bench_append);
		rounds++;
	} while (meter_now() < until);
	bench_close(&b, dir);
	printf("{\"group\": %zu, \"commits_per_s\": %.1f, "
	       "\"bare_per_s\": %.1f, \"ratio\": %.3f}\n",
	    group, store / rounds, bare / rounds, store / bare);
}

static void
bench_fill(const char *dir, size_t count)
{
	struct bench b;
	size_t i;

	bench_open(&b, dir, BATCH);
	for (i = 0; i < count; i += BATCH)
		bench_put(&b);
	bench_close(&b, dir);
	printf("{\"filled\": %zu}\n", i);
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "commits") == 0)
		bench_commits(argv[2], strtoul(argv[3], NULL, 10),
		    strtod(argv[4], NULL));
	else if (argc == 4 && strcmp(argv[1], "fill") == 0)
		bench_fill(argv[2], strtoul(argv[3], NULL, 10));
	else
		errx(2, "usage: store-bench commits dir group seconds\n"
			"       store-bench fill dir count");
	return 0;
}
