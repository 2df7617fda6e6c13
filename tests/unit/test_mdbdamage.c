/* SPDX-License-Identifier: ISC */
/* What mdbfile says of a certain damage, and what it still finds. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "mdbfile.h"
#include "mdbstore.h"

static void
lost_leaf(void **state)
{
	uint8_t zero[PSIZE] = { 0 };
	size_t page;

	(void)state;
	make_mixed();
	page = whole.key[1500].offset / PSIZE;
	image_walk_with(page * PSIZE, zero, PSIZE);
	assert_int_equal(walked.damages, 1);
	assert_int_equal(walked.damage_offset, page * PSIZE);
	assert_non_null(strstr(walked.what, "has the number of another page"));
	assert_false(walked.key[1500].sound);
	assert_true(
	    walked.sounds < whole.sounds && walked.sounds + 500 > whole.sounds);
	image_drop();
}

static void
lost_root(void **state)
{
	uint8_t zero[PSIZE] = { 0 };
	uint64_t root;

	(void)state;
	make_mixed();
	memcpy(&root, image + image_meta() + MAIN_ROOT, sizeof root);
	image_walk_with(root * PSIZE, zero, PSIZE);
	assert_int_equal(walked.state, MDBFILE_DAMAGED);
	assert_int_equal(walked.sounds, 0);
	assert_others_found(root * PSIZE, root * PSIZE + PSIZE);
	image_drop();
}

static void
lost_metas(void **state)
{
	uint8_t zero[2 * PSIZE] = { 0 };

	(void)state;
	make_mixed();
	/* The last transaction is found, though its meta page is not. */
	image_walk_with(image_meta(), zero, PSIZE);
	assert_int_equal(walked.damages, 1);
	assert_int_equal(walked.damage_offset, image_meta());
	assert_int_equal(walked.key[2000].sound, 0);
	assert_int_equal(walked.key[2000].stray, 1);
	assert_int_equal(walked.key[500].sound, 1);
	image_walk_with(0, zero, sizeof zero);
	assert_int_equal(walked.sounds, 0);
	assert_others_found(0, sizeof zero);
	assert_int_equal(walked.key[2000].stray, 1);
	assert_int_equal(walked.key[500].stray, 1);
	image_drop();
}

/* Only the book-keeping is wrong: nothing is lost, nothing is searched. */
static void
wrong_counts(void **state)
{
	uint64_t count = 12345;

	(void)state;
	make_mixed();
	image_walk_with(image_meta() + MAIN_COUNT, &count, sizeof count);
	assert_int_equal(walked.damages, 1);
	assert_non_null(strstr(walked.what, "but should have 12345"));
	assert_int_equal(walked.sounds, whole.sounds);
	assert_int_equal(walked.strays, 0);
	image_walk_with(image_meta() + FREE_COUNT, &count, sizeof count);
	assert_int_equal(walked.damages, 1);
	assert_int_equal(walked.sounds, whole.sounds);
	assert_int_equal(walked.strays, 0);
	image_drop();
}

/* A value that is no longer what it was may still be in an older page. */
static void
older_copy(void **state)
{
	uint8_t byte;

	(void)state;
	store_open(0);
	put_many(0, 5, 100);
	put_many(5, 1, 100);
	store_close();
	image_take();
	byte = (uint8_t)~image[whole.key[3].offset];
	image_walk_with(whole.key[3].offset, &byte, 1);
	assert_int_equal(walked.state, MDBFILE_SOUND);
	assert_int_equal(walked.wrong, 1);
	assert_int_equal(walked.wrong_key, 3);
	assert_int_equal(walked.key[3].stray, 1);
	assert_int_equal(walked.strays, 1);
	image_drop();
}

static void
too_long_value(void **state)
{
	(void)state;
	make_mixed();
	assert_int_equal(walk_fd_max(image_fd, 0, model[2000].len - 1),
	    MDBFILE_DAMAGED);
	assert_non_null(strstr(walked.what, "the record with key 2000 is"));
	assert_non_null(strstr(walked.what, "is too long"));
	assert_int_equal(walked.key[2000].sound, 0);
	assert_int_equal(walked.key[1999].sound, 1);
	image_drop();
}

static void
wrong_page_size(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 256, 512, 1000, 2048, 8192,
		65536, UINT32_MAX };
	size_t i;

	(void)state;
	make_mixed();
	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		image_walk_with(image_meta() + 40, &sizes[i], 4);
		assert_int_equal(walked.state, MDBFILE_DAMAGED);
		assert_int_equal(walked.wrong, 0);
		assert_others_found(image_meta(), image_meta() + PSIZE);
	}
	image_drop();
}

/* A meta page, a leaf page, a node in it, the first page of a big value. */
enum base {
	META,
	LEAF,
	NODE,
	BIG
};

/* What is added to some bytes, and what must be said of it. */
static const struct change {
	enum base base;
	unsigned at;
	unsigned len;
	int64_t add;
	const char *what;
} changes[] = {
	{ META, 0, 8, 1, "is not a meta page" },
	{ META, 10, 2, 1, "is not a meta page" },
	{ META, 16, 4, 1, "is not of LMDB" },
	{ META, 20, 4, 1, "is of another version of LMDB" },
	{ META, 24, 8, 4096, "asks for a fixed address" },
	{ META, 32, 8, -(1 << 30), "has a map size that cannot be" },
	{ META, 40, 4, 1, "has a page size that cannot be" },
	{ META, 44, 2, 1, "has wrong flags of the free list" },
	{ META, 46, 2, 31, "is not a branch page" },
	{ META, 46, 2, 32, "the list of free pages has a root that cannot be" },
	{ META, 64, 8, 1, "the list of free pages has 0 overflow pages" },
	{ META, 88, 4, 8, "has a value size of the database" },
	{ META, 92, 2, 4, "has wrong flags of the database" },
	{ META, 94, 2, 1, "is not a branch page" },
	{ META, 94, 2, 40, "has a root that cannot be" },
	{ META, 96, 8, 1, "branch pages, but should have" },
	{ META, 104, 8, 1, "leaf pages, but should have" },
	{ META, 112, 8, 1, "overflow pages, but should have" },
	{ META, 120, 8, 1, "records, but should have" },
	{ META, 128, 8, 1 << 30, "has a root that cannot be" },
	{ META, 136, 8, 1, "is not free" },
	{ META, 136, 8, 1 << 17, "is not free" },
	{ META, 144, 8, 1, "has a transaction of the other meta page" },
	{ META, 144, 8, 2, "which do not follow each other" },
	{ LEAF, 0, 8, 1, "has the number of another page" },
	{ LEAF, 10, 2, 16, "is not a leaf page" },
	{ LEAF, 12, 2, 1, "has bounds that cannot be" },
	{ LEAF, 12, 2, -4, "has nodes that do not begin at its bound" },
	{ LEAF, 14, 2, 1, "has bounds that cannot be" },
	{ LEAF, 14, 2, -2, "has nodes that do not begin at its bound" },
	{ LEAF, 16, 2, 1, "node 0 lies outside the page" },
	{ LEAF, 16, 2, 4096, "node 0 lies outside the page" },
	{ NODE, 0, 4, 5000, "ends outside the page" },
	{ NODE, 0, 4, -4, "does not end where the next begins" },
	{ NODE, 4, 2, 2, "has flags that cannot be" },
	{ NODE, 6, 2, -4, "has a key that is not of eight bytes" },
	{ NODE, 8, 8, -100, "has a key that is out of order" },
	{ NODE, 8, 8, 500, "has a key that is out of order" },
	{ BIG, 0, 8, 1, "is not at the page that it should be at" },
	{ BIG, 10, 2, 1, "is not at the page that it should be at" },
	{ BIG, 12, 4, -1, "is not at the page that it should be at" },
	{ BIG, 12, 4, 1 << 20, "it and the next make" },
};

static size_t
leaf_of(uint64_t key)
{
	return whole.key[key].offset / PSIZE * PSIZE;
}

static uint64_t
image_read(size_t at, size_t len)
{
	uint64_t v = 0;

	memcpy(&v, image + at, len);
	return v;
}

/* All that was whole was found, but for SOME records. */
static void
assert_found_but(uint64_t some)
{
	uint64_t key, count = 0;

	for (key = 0; key < keys_end; key++)
		count += walked.key[key].sound || walked.key[key].stray;
	assert_true(count + some >= whole.sounds);
}

static size_t
find_base(enum base base)
{
	switch (base) {
	case META:
		return image_meta();
	case LEAF:
		return leaf_of(1500);
	case NODE:
		return whole.key[1500].offset - 16;
	case BIG:
		return leaf_of(2001);
	}
	return 0;
}

static void
each_field(void **state)
{
	const struct change *c;
	size_t at, i;
	uint64_t v;

	(void)state;
	make_mixed();
	for (i = 0; i < sizeof changes / sizeof *changes; i++) {
		c = &changes[i];
		at = find_base(c->base) + c->at;
		v = image_read(at, c->len) + (uint64_t)c->add;
		image_walk_with(at, &v, c->len);
		if (strstr(walked.what, c->what) == NULL)
			fail_msg("not '%s' but '%s'", c->what, walked.what);
		assert_found_but(c->base == NODE || c->base == LEAF ? 1 : 0);
	}
	image_drop();
}

/* The last key of a leaf becomes one that belongs to the next. */
static void
key_beyond_its_page(void **state)
{
	uint64_t key = 1500, v;

	(void)state;
	make_mixed();
	while (leaf_of(key) == leaf_of(key + 1))
		key++;
	v = key + 1;
	image_walk_with(whole.key[key].offset - 8, &v, sizeof v);
	assert_int_equal(walked.damage_offset, whole.key[key].offset - 16);
	assert_true(walked.key[key + 1].sound);
	image_drop();
}

static void
one_report_a_page(void **state)
{
	size_t at;

	(void)state;
	make_mixed();
	at = whole.key[1500].offset - 16 + 4;
	image_write(at, "\2", 1);
	at = whole.key[1504].offset - 8;
	image_walk_with(at, "\377\377\377", 3);
	assert_int_equal(walked.damages, 1);
	assert_false(walked.key[1500].sound || walked.key[1504].sound);
	assert_true(walked.key[1499].sound && walked.key[1505].sound);
	/* Its end is no longer where another node begins. */
	assert_true(walked.key[1501].stray && !walked.key[1501].sound);
	image_mend(whole.key[1500].offset - 16 + 4, 1);
	image_drop();
}

/* One offset stands twice in a page: the record that it hides is missed. */
static void
hidden_record(void **state)
{
	uint16_t other;
	size_t page;

	(void)state;
	store_open(0);
	put_many(0, 5, 100);
	put_many(5, 1, 100);
	store_close();
	image_take();
	page = leaf_of(2);
	other = (uint16_t)image_read(page + 16 + 2 * 4, 2);
	image_walk_with(page + 16 + 2 * 2, &other, 2);
	assert_int_equal(walked.state, MDBFILE_DAMAGED);
	assert_found_but(0);
	assert_true(walked.key[2].stray);
	image_drop();
}

/* Where the first list of free pages begins, with its count. */
static size_t
image_free_list(void)
{
	size_t root = image_read(image_meta() + FREE_ROOT, 8) * PSIZE;
	size_t list = root + image_read(root + 16, 2) + 16;

	assert_int_equal(image_read(root + 10, 2), 2);
	assert_true(image_read(list, 8) >= 3);
	return list;
}

/* The first list of free pages has nothing but PGNO. */
static void
walk_with_free(uint64_t pgno)
{
	uint64_t list[2] = { 1, pgno };

	image_walk_with(image_free_list(), list, sizeof list);
}

static void
used_and_free(void **state)
{
	uint64_t pgno;

	(void)state;
	make_mixed();
	pgno = leaf_of(1500) / PSIZE;
	walk_with_free(pgno);
	assert_int_equal(walked.state, MDBFILE_DAMAGED);
	assert_non_null(strstr(walked.what, "in use and free"));
	assert_true(walked.key[1500].stray && !walked.key[1500].sound);
	assert_found_but(0);
	pgno = whole.key[2001].offset / PSIZE;
	walk_with_free(pgno);
	assert_non_null(strstr(walked.what, "the record with key 2001 is"));
	assert_non_null(strstr(walked.what, "also free or in other use"));
	assert_true(walked.key[2001].stray && !walked.key[2001].sound);
	assert_found_but(0);
	image_drop();
}

/* LMDB does not write a page that it takes and frees in one transaction. */
static void
never_written(void **state)
{
	uint64_t last;
	size_t at;

	(void)state;
	make_mixed();
	at = image_meta() + LAST_PGNO;
	last = image_len / PSIZE;
	image_write(image_free_list() + 8, &last, sizeof last);
	image_walk_with(at, &last, sizeof last);
	assert_int_equal(walked.state, MDBFILE_SOUND);
	assert_int_equal(walked.sounds, whole.sounds);
	image_drop();
}

/* What the list of free pages claims counts only if all of it is sound. */
static void
wrong_free_root(void **state)
{
	uint64_t root, leaf;
	uint16_t depth = 1;
	uint8_t zero[PSIZE] = { 0 };

	(void)state;
	make_mixed();
	root = image_read(image_meta() + MAIN_ROOT, 8);
	image_walk_with(image_meta() + FREE_ROOT, &root, sizeof root);
	assert_int_equal(walked.state, MDBFILE_DAMAGED);
	assert_int_equal(walked.sounds, whole.sounds);
	assert_int_equal(walked.strays, 0);
	/* Nor are pages that it went through known. */
	leaf = leaf_of(1500) / PSIZE;
	image_write(image_meta() + FREE_ROOT, &leaf, sizeof leaf);
	image_write(image_meta() + FREE_ROOT - 34, &depth, sizeof depth);
	image_walk_with(root * PSIZE, zero, sizeof zero);
	assert_int_equal(walked.sounds, 0);
	assert_found_but(0);
	image_drop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_leaf),
		cmocka_unit_test(lost_root),
		cmocka_unit_test(lost_metas),
		cmocka_unit_test(wrong_counts),
		cmocka_unit_test(older_copy),
		cmocka_unit_test(too_long_value),
		cmocka_unit_test(wrong_page_size),
		cmocka_unit_test(each_field),
		cmocka_unit_test(key_beyond_its_page),
		cmocka_unit_test(one_report_a_page),
		cmocka_unit_test(hidden_record),
		cmocka_unit_test(used_and_free),
		cmocka_unit_test(never_written),
		cmocka_unit_test(wrong_free_root),
	};

	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
