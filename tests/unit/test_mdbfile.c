/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mdbfile.h"
#include "mdbstore.h"

#define BIT_FLIPS 3000

/* Sound stores. */

static void
empty(void **state)
{
	(void)state;
	store_open(0);
	assert_store_sound();
	store_close();
}

static void
emptied(void **state)
{
	MDB_txn *txn;
	uint64_t key;

	(void)state;
	store_open(0);
	put_many(0, 2000, 200);
	txn = txn_begin(0);
	for (key = 0; key < 2000; key++)
		del(txn, key);
	txn_commit(txn);
	assert_store_sound();
	store_close();
}

static void
one_record(void **state)
{
	(void)state;
	store_open(0);
	put_many(7, 1, 100);
	assert_store_sound();
	store_close();
}

static void
many_records(void **state)
{
	(void)state;
	store_open(0);
	put_many(0, 1000, 100);
	assert_store_sound();
	put_many(1000, 99000, 100);
	assert_store_sound();
	store_close();
}

static void
big_values(void **state)
{
	(void)state;
	store_open(0);
	put_many(0, 100, 200 << 10);
	assert_store_sound();
	/* A shorter value stays on the pages of the longer. */
	put_many(0, 100, 10000);
	assert_store_sound();
	store_close();
}

static void
highest_key(void **state)
{
	uint64_t key = UINT64_MAX;
	MDB_val k = { sizeof key, &key }, v = { 3, expected };
	MDB_txn *txn;

	(void)state;
	store_open(0);
	put_many(0, 10, 100);
	txn = txn_begin(0);
	assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	txn_commit(txn);
	store_close();
	assert_int_equal(walk_path(0), MDBFILE_SOUND);
	assert_int_equal(walked.sounds, 11);
	assert_int_equal(walked.wrong_key, UINT64_MAX);
}

static void
churned(uint32_t psize, unsigned rounds, uint64_t keys)
{
	store_open(psize);
	while (rounds-- > 0) {
		churn(10, keys);
		assert_store_sound();
	}
	store_close();
}

static void
reused_pages(void **state)
{
	(void)state;
	churned(0, 100, 4000);
}

static void
small_pages(void **state)
{
	(void)state;
	churned(512, 60, 2000);
}

static void
large_pages(void **state)
{
	(void)state;
	churned(32768, 20, 2000);
}

/* Snapshots of a file that is written to. */
static void
pinned(void **state)
{
	uint64_t txnid, sounds;
	struct came last;
	MDB_txn *txn;

	(void)state;
	store_open(0);
	put_many(0, 3000, 200);
	churn(20, 2000);
	txn = txn_begin(MDB_RDONLY);
	txnid = mdb_txn_id(txn);
	walk_path(txnid);
	assert_all_sound();
	sounds = walked.sounds;
	last = walked.key[2999];
	put_many(5000, 500, 200);
	assert_int_equal(walk_path(txnid), MDBFILE_SOUND);
	assert_int_equal(walked.sounds, sounds);
	assert_int_equal(walked.key[2999].offset, last.offset);
	assert_store_sound();
	put_many(6000, 1, 200);
	assert_int_equal(walk_path(txnid), -1);
	assert_int_equal(errno, ENOENT);
	mdb_txn_abort(txn);
	store_close();
}

/* Damaged stores. */

static void
truncated(void **state)
{
	size_t cut;

	(void)state;
	make_mixed();
	for (cut = image_len - image_len % 4096; cut > 0; cut -= 4096) {
		if (cut == image_len)
			continue;
		assert_int_equal(ftruncate(image_fd, (off_t)cut), 0);
		assert_int_equal(walk_fd(image_fd, 0), MDBFILE_DAMAGED);
		assert_int_equal(walked.wrong, 0);
		assert_others_found(cut, image_len);
	}
	assert_int_equal(ftruncate(image_fd, 0), 0);
	assert_int_equal(walk_fd(image_fd, 0), MDBFILE_DAMAGED);
	assert_string_equal(walked.what, "the file is empty");
	assert_int_equal(ftruncate(image_fd, 100), 0);
	assert_int_equal(walk_fd(image_fd, 0), MDBFILE_DAMAGED);
	image_drop();
}

/* Wrong values from the tree are those whose own bytes were overwritten. */
static void
overwrite_pages(const uint8_t *with)
{
	size_t at;

	for (at = 0; at + PSIZE <= image_len; at += PSIZE) {
		image_walk_with(at, with, PSIZE);
		assert_others_found(at, at + PSIZE);
		assert_true(walked.wrong <= 1);
		if (walked.wrong == 1)
			assert_true(overlap(walked.wrong_offset,
			    walked.wrong_offset + walked.wrong_len, at,
			    at + PSIZE));
	}
}

static void
overwritten(void **state)
{
	uint8_t page[PSIZE];
	size_t i;

	(void)state;
	make_mixed();
	memset(page, 0, sizeof page);
	overwrite_pages(page);
	memset(page, 0xff, sizeof page);
	overwrite_pages(page);
	for (i = 0; i < sizeof page; i++)
		page[i] = (uint8_t)pick(256);
	overwrite_pages(page);
	/* A sound leaf page, but of another place. */
	memcpy(page, image + whole.key[500].offset / PSIZE * PSIZE, PSIZE);
	overwrite_pages(page);
	image_drop();
}

/* Whether the byte AT is in the node of a value that has its own pages. */
static bool
is_in_big_node(size_t at)
{
	uint64_t key, node;

	for (key = 0; key < keys_end; key++) {
		if (model[key].version == 0 || model[key].len < 1000)
			continue;
		node = find_node(key, whole.key[key].offset);
		if (overlap(node, node + 24, at, at + 1))
			return true;
	}
	return false;
}

/*
 * No structure shows a bit flipped in a value or in a key, nor one in the
 * length or the page of a big value.
 */
static void
assert_explained(size_t at)
{
	assert_true(walked.wrong <= 1);
	if (walked.wrong == 1 &&
	    !overlap(walked.wrong_offset - 8,
		walked.wrong_offset + walked.wrong_len, at, at + 1) &&
	    !is_in_big_node(at))
		fail_msg("key %lu is wrong by a bit at %zu", walked.wrong_key,
		    at);
}

static void
flip_bit(size_t at, unsigned bit)
{
	uint8_t byte = (uint8_t)(image[at] ^ 1u << bit);

	image_walk_with(at, &byte, 1);
	assert_others_found(at, at + 1);
	assert_explained(at);
}

static void
flipped(void **state)
{
	size_t i, at;

	(void)state;
	make_mixed();
	for (i = 0; i < BIT_FLIPS; i++)
		flip_bit(pick(image_len), (unsigned)pick(8));
	/* Where the structure is: heads and offsets, and the meta pages. */
	for (i = 0; i < BIT_FLIPS; i++) {
		at = pick(image_len / PSIZE) * PSIZE + pick(60);
		flip_bit(at, (unsigned)pick(8));
	}
	for (i = 0; i < 2 * 152 * 8; i++)
		flip_bit(i / 8 % 152 + i / 8 / 152 * PSIZE, i % 8);
	image_drop();
}

static void
unreadable(void **state)
{
	size_t at;

	(void)state;
	make_mixed();
	broken_errno = EIO;
	for (at = 0; at + PSIZE <= image_len; at += PSIZE) {
		broken_at = (off_t)at;
		walk_fd(image_fd, 0);
		assert_others_found(at, at + PSIZE);
		assert_int_equal(walked.wrong, 0);
	}
	broken_errno = EPERM;
	broken_at = (off_t)(whole.key[500].offset / PSIZE * PSIZE);
	assert_int_equal(walk_fd(image_fd, 0), -1);
	assert_int_equal(errno, EPERM);
	broken_at = -1;
	assert_int_equal(walk_fd(-1, 0), -1);
	assert_int_equal(errno, EBADF);
	image_drop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(emptied),
		cmocka_unit_test(one_record),
		cmocka_unit_test(many_records),
		cmocka_unit_test(big_values),
		cmocka_unit_test(highest_key),
		cmocka_unit_test(reused_pages),
		cmocka_unit_test(small_pages),
		cmocka_unit_test(large_pages),
		cmocka_unit_test(pinned),
		cmocka_unit_test(truncated),
		cmocka_unit_test(overwritten),
		cmocka_unit_test(flipped),
		cmocka_unit_test(unreadable),
	};

	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
