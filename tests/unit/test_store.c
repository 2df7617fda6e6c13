/* SPDX-License-Identifier: ISC */
/*
 * Every engine behind store.h does the same; what LMDB's does on disk.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "store.h"
#include "store_dump.h"
#include "store_file.h"
#include "store_lmdb.h"
#include "store_mem.h"

#define MAX_BYTES (64 << 20)
#define TEXT_MAX  20000
#define MANY      20000

static char dir[64];

/* What a scan gives, as keys and a sum of what is in the records. */
struct seen {
	uint64_t first, last, mids;
	size_t count, text;
};

static int
on_item(void *arg, const struct store_item *item)
{
	struct seen *seen = arg;

	assert_true(seen->count == 0 || item->key > seen->last);
	assert_int_equal(item->record.id_len, 3);
	assert_memory_equal(item->record.id, "dev", 3);
	if (seen->count++ == 0)
		seen->first = item->key;
	seen->last = item->key;
	seen->mids += item->record.mid;
	seen->text += item->record.text_len;
	return 0;
}

static void
remove_dir(void)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	assert_int_equal(rmdir(dir), 0);
}

static size_t
count_files(const char *with)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += strstr(e->d_name, with) != NULL;
	closedir(d);
	return n;
}

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-store.%ld", (long)getpid());
	remove_dir();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	remove_dir();
	return 0;
}

static struct store *
new_lmdb(void)
{
	return store_lmdb_new(dir, MAX_BYTES);
}

static int
put(struct store *s, uint64_t key, size_t text_len)
{
	static char text[TEXT_MAX];
	struct store_item item = {
		.key = key,
		.record = { .kind = RECORD_MESSAGE,
		    .id = "dev",
		    .id_len = 3,
		    .mid = key + 1000,
		    .text = text,
		    .text_len = text_len },
	};

	memset(text, 't', sizeof(text));
	return store_put(s, &item, 1);
}

static void
put_many(struct store *s, uint64_t first, uint64_t count)
{
	uint64_t key;

	for (key = first; key < first + count; key++)
		assert_int_equal(put(s, key, 100), 0);
	assert_int_equal(store_sync(s), 0);
}

static void
del_many(struct store *s, uint64_t first, uint64_t count)
{
	uint64_t key;

	for (key = first; key < first + count; key++)
		assert_int_equal(store_del(s, &key, 1), 0);
	assert_int_equal(store_sync(s), 0);
}

/* Open what is on disk again, as after a kill, and look. */
static struct seen
look(void)
{
	struct seen seen = { .count = 0 };
	struct store *s = new_lmdb();

	assert_non_null(s);
	assert_int_equal(store_scan(s, on_item, &seen), 0);
	store_free(&s);
	return seen;
}

static struct store *
scanned(struct store *s)
{
	struct seen seen = { .count = 0 };

	assert_non_null(s);
	assert_int_equal(store_scan(s, on_item, &seen), 0);
	return s;
}

static void
check_engine(struct store *s)
{
	uint64_t keys[] = { 2, 99, 3 };

	put_many(s, 1, 4);
	assert_int_equal(put(s, 2, TEXT_MAX), 0);
	assert_int_equal(store_del(s, keys, 3), 0);
	assert_int_equal(put(s, 3, 7), 0);
	assert_int_equal(put(s, 10, 3000), 0);
	assert_int_equal(store_sync(s), 0);
	assert_int_equal(store_sync(s), 0);
	assert_int_equal(store_recover(s), 0);
	assert_int_equal(store_probe(s), 0);
	assert_int_equal(store_tidy(s), 0);
}

static void
check_seen(const struct seen *seen)
{
	/* 1, 3 (put again after it was deleted), 4 and 10. */
	assert_int_equal(seen->count, 4);
	assert_int_equal(seen->first, 1);
	assert_int_equal(seen->last, 10);
	assert_int_equal(seen->mids, 4000 + 1 + 3 + 4 + 10);
	assert_int_equal(seen->text, 100 + 7 + 100 + 3000);
}

static void
test_memory_keeps_what_is_put(void **state)
{
	struct store *s = store_mem_new();
	struct seen seen = { .count = 0 };

	(void)state;
	check_engine(s);
	assert_int_equal(store_scan(s, on_item, &seen), 0);
	check_seen(&seen);
	store_free(&s);
	assert_null(s);
}

static void
test_lmdb_keeps_what_is_put(void **state)
{
	struct store *s = scanned(new_lmdb());
	struct seen seen;

	(void)state;
	check_engine(s);
	store_free(&s);
	seen = look();
	check_seen(&seen);
}

static void
test_only_what_was_synced_is_there(void **state)
{
	struct store *s = scanned(new_lmdb());

	(void)state;
	put_many(s, 1, 10);
	assert_int_equal(put(s, 11, 100), 0);
	store_free(&s);
	assert_int_equal(look().count, 10);
}

static void
test_it_knows_when_it_was_closed(void **state)
{
	struct store *s = scanned(new_lmdb());
	struct timespec long_ago[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	uint64_t before;
	char path[128];

	(void)state;
	assert_int_equal(store_written(s), 0);
	store_free(&s);
	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
	s = scanned(new_lmdb());
	assert_int_equal(store_written(s), UINT64_C(1000000000000));
	/* A file's times are a few milliseconds behind. */
	before = clock_real_ms() - 100;
	store_free(&s);
	s = scanned(new_lmdb());
	assert_true(store_written(s) > before);
	store_free(&s);
}

static void
test_nobody_else_can_read_it(void **state)
{
	struct store *s = scanned(new_lmdb());
	char path[128];
	struct stat st;

	(void)state;
	put_many(s, 1, 1);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_free(&s);
	/* As a restored backup may be. */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(look().count, 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
test_a_second_one_is_refused(void **state)
{
	struct store *s = scanned(new_lmdb());
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(store_file_holder(dir), getpid());
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		close(STDERR_FILENO);
		_exit(new_lmdb() == NULL ? 42 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 42);
	store_free(&s);
	assert_int_equal(store_file_holder(dir), 0);
}

static off_t
file_size(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void
test_room_is_given_back(void **state)
{
	struct store *s = scanned(new_lmdb());

	(void)state;
	put_many(s, 1, MANY);
	assert_true(file_size() > MANY * 100);
	assert_int_equal(store_tidy(s), 0);
	assert_true(file_size() > MANY * 100);
	del_many(s, 1, MANY - 10);
	assert_int_equal(store_tidy(s), 0);
	assert_true(file_size() < 1 << 17);
	/* It goes on working. */
	put_many(s, MANY + 1, 5);
	store_free(&s);
	assert_int_equal(look().count, 15);
	assert_int_equal(count_files(".new"), 0);
}

/* A dump that somebody reads slowly. */
struct dumper {
	pid_t pid;
	int go, out;
};

/* Before the store is open: its lock would go with the fork. */
static void
prepare_dump(struct dumper *d)
{
	int go[2], out[2];
	char c;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(out), 0);
	d->pid = fork();
	assert_true(d->pid != -1);
	if (d->pid == 0) {
		close(go[1]);
		close(out[0]);
		_exit(read(go[0], &c, 1) == 1 ?
			  store_dump(dir, fdopen(out[1], "w")) :
			  42);
	}
	close(go[0]);
	close(out[1]);
	d->go = go[1];
	d->out = out[0];
}

static void
begin_dump(const struct dumper *d)
{
	char c = '!';

	assert_int_equal(write(d->go, &c, 1), 1);
	assert_int_equal(read(d->out, &c, 1), 1);
}

static void
end_dump(const struct dumper *d)
{
	char sink[4096];
	int status;

	while (read(d->out, sink, sizeof(sink)) > 0)
		;
	close(d->go);
	close(d->out);
	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	assert_int_equal(status, 0);
}

/*
 * Who reads the old file has its lock file open, and with it the number of
 * its last transaction, which says nothing of a new one.
 */
static void
test_a_dump_does_not_disturb_a_new_file(void **state)
{
	struct dumper dumper;
	unsigned int commits;
	struct store *s;

	for (commits = 0; commits < 2; commits++) {
		(void)setup(state);
		prepare_dump(&dumper);
		s = scanned(new_lmdb());
		put_many(s, 1, MANY);
		if (commits > 0)
			put_many(s, MANY + 1, 1);
		begin_dump(&dumper);
		del_many(s, 1, MANY - 10);
		assert_int_equal(store_tidy(s), 0);
		assert_true(file_size() < 1 << 17);
		put_many(s, MANY + 10, 5);
		store_free(&s);
		assert_int_equal(look().count, 15 + commits);
		end_dump(&dumper);
		assert_int_equal(look().count, 15 + commits);
	}
}

/* Without tidying too: what is deleted is used again. */
static void
test_a_queue_that_flows_stays_small(void **state)
{
	struct store *s = scanned(new_lmdb());
	uint64_t i;

	(void)state;
	for (i = 0; i < 300; i++) {
		put_many(s, 1 + i * 100, 100);
		if (i >= 5)
			del_many(s, 1 + (i - 5) * 100, 100);
	}
	assert_true(file_size() < 1 << 20);
	store_free(&s);
	assert_int_equal(look().count, 500);
}

static void
overwrite(off_t at, const void *bytes, size_t len)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	fd = open(path, O_WRONLY);
	assert_true(fd != -1);
	assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

/* Where the file has these bytes. */
static off_t
find(const void *bytes, size_t len)
{
	char path[128], *file;
	size_t size = (size_t)file_size();
	void *at;
	int fd;
	off_t where;

	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	fd = open(path, O_RDONLY);
	file = malloc(size);
	assert_true(fd != -1 && file != NULL);
	assert_int_equal(read(fd, file, size), (ssize_t)size);
	at = memmem(file, size, bytes, len);
	assert_non_null(at);
	where = (char *)at - file;
	free(file);
	close(fd);
	return where;
}

static void
test_a_damaged_record_is_left_out_and_its_file_set_aside(void **state)
{
	struct store *s = scanned(new_lmdb());
	struct seen seen;
	char *fault;

	(void)state;
	put_many(s, 1, 2);
	assert_int_equal(put(s, 3, 5000), 0);
	put_many(s, 4, 2);
	store_free(&s);
	store_file_check(dir, &fault);
	assert_null(fault);
	/* In the middle of the long text. */
	overwrite(find("tttttttttttttttttttttttttttttttttttttttttttttttttttttt"
		       "tttttttttttttttttttttttttttttttttttttttttttttttttttttt",
		      108) +
		      50,
	    "x", 1);
	store_file_check(dir, &fault);
	assert_non_null(strstr(fault, "damaged in 1 places, the first at"));
	free(fault);
	assert_int_equal(count_files("damaged"), 0);
	seen = look();
	assert_int_equal(seen.count, 4);
	assert_int_equal(count_files("damaged"), 1);
	store_file_check(dir, &fault);
	assert_null(fault);
	assert_int_equal(look().count, 4);
	assert_int_equal(count_files("damaged"), 1);
}

/* Also when several are damaged in the same second. */
static void
test_no_damaged_file_is_lost(void **state)
{
	char path[128];
	size_t i;

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	store_free(&(struct store *){ scanned(new_lmdb()) });
	for (i = 1; i <= 5; i++) {
		assert_int_equal(truncate(path, (off_t)(4096 + i)), 0);
		(void)look();
		assert_int_equal(count_files("damaged"), i);
	}
}

static void
test_an_empty_file_is_damage_not_a_new_store(void **state)
{
	struct store *s = scanned(new_lmdb());
	char path[128];

	(void)state;
	put_many(s, 1, 2);
	store_free(&s);
	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(look().count, 0);
	assert_int_equal(count_files("damaged"), 1);
}

/* Written by the next version of mpushd, or another program. */
static void
test_an_unknown_version_is_refused(void **state)
{
	struct store_item head = {
		.key = RECORD_KEY_HEAD,
		.record = { .kind = RECORD_HEAD,
		    .id = "",
		    .mid = RECORD_VERSION + 1 },
	};
	struct store *s = scanned(new_lmdb());
	struct seen seen = { .count = 0 };
	char *fault;

	(void)state;
	put_many(s, 1, 2);
	assert_int_equal(store_put(s, &head, 1), 0);
	assert_int_equal(store_sync(s), 0);
	store_free(&s);
	store_file_check(dir, &fault);
	assert_non_null(strstr(fault, "version 2"));
	free(fault);
	s = new_lmdb();
	assert_int_not_equal(store_scan(s, on_item, &seen), 0);
	assert_int_equal(seen.count, 0);
	store_free(&s);
	assert_int_equal(count_files("damaged"), 0);
}

static void
test_a_file_that_is_no_store_is_refused(void **state)
{
	struct store *s = scanned(new_lmdb());
	struct seen seen = { .count = 0 };
	uint64_t head = RECORD_KEY_HEAD;

	(void)state;
	put_many(s, 1, 2);
	assert_int_equal(store_del(s, &head, 1), 0);
	assert_int_equal(store_sync(s), 0);
	store_free(&s);
	s = new_lmdb();
	assert_int_not_equal(store_scan(s, on_item, &seen), 0);
	store_free(&s);
}

static void
test_a_left_over_of_a_kill_means_nothing(void **state)
{
	struct store *s = scanned(new_lmdb());
	char path[128];
	FILE *fp;

	(void)state;
	put_many(s, 1, 2);
	store_free(&s);
	snprintf(path, sizeof(path), "%s/%s", dir, STORE_FILE_NEW);
	fp = fopen(path, "w");
	assert_non_null(fp);
	fputs("half of something", fp);
	fclose(fp);
	assert_int_equal(look().count, 2);
	assert_int_equal(count_files(".new"), 0);
}

static void
test_a_dump_has_a_line_for_each(void **state)
{
	struct store_item device = {
		.key = 9,
		.record = { .kind = RECORD_DEVICE,
		    .id = "d\"x",
		    .id_len = 3,
		    .mid = 5,
		    .time = 1557901952810 },
	};
	struct store_item message = {
		.key = 10,
		.record = { .kind = RECORD_MESSAGE,
		    .id = "dev",
		    .id_len = 3,
		    .mid = 7,
		    .time = 1557901952810,
		    .text = "\"title\":\"a\",\"content\":\"b\"",
		    .text_len = 25 },
	};
	struct store *s = scanned(new_lmdb());
	char *text;
	size_t size, live;

	(void)state;
	assert_int_equal(store_put(s, &device, 1), 0);
	assert_int_equal(store_put(s, &message, 1), 0);
	assert_int_equal(store_sync(s), 0);
	/* With and without somebody who has it open. */
	for (live = 0; live < 2; live++) {
		FILE *fp = open_memstream(&text, &size);

		assert_int_equal(store_dump(dir, fp), 0);
		fclose(fp);
		assert_string_equal(text,
		    "{\"kind\":\"device\",\"device\":\"d\\\"x\",\"mid\":\"5\","
		    "\"seen\":\"2019-05-15T06:32:32.810Z\"}\n"
		    "{\"kind\":\"message\",\"device\":\"dev\",\"mid\":\"7\","
		    "\"accepted\":\"2019-05-15T06:32:32.810Z\","
		    "\"title\":\"a\",\"content\":\"b\"}\n");
		free(text);
		store_free(&s);
	}
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_memory_keeps_what_is_put),
		TEST(test_lmdb_keeps_what_is_put),
		TEST(test_only_what_was_synced_is_there),
		TEST(test_it_knows_when_it_was_closed),
		TEST(test_nobody_else_can_read_it),
		TEST(test_a_second_one_is_refused),
		TEST(test_room_is_given_back),
		TEST(test_a_dump_does_not_disturb_a_new_file),
		TEST(test_a_queue_that_flows_stays_small),
		TEST(test_a_damaged_record_is_left_out_and_its_file_set_aside),
		TEST(test_no_damaged_file_is_lost),
		TEST(test_an_empty_file_is_damage_not_a_new_store),
		TEST(test_an_unknown_version_is_refused),
		TEST(test_a_file_that_is_no_store_is_refused),
		TEST(test_a_left_over_of_a_kill_means_nothing),
		TEST(test_a_dump_has_a_line_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
