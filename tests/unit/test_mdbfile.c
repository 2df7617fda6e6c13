/* SPDX-License-Identifier: ISC */
/*
 * Stores are made with LMDB itself.  What a record holds follows from its key,
 * its version and its length, so every record that is read can be judged.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mdbfile.h"

#define KEYS       100001
#define VALUE_MAX  (256 << 10)
#define PSIZE      4096u
#define META_TXNID 144 /* in a meta page */
#define FREE_COUNT 72
#define MAIN_COUNT 120
#define MAIN_ROOT  128
#define BIT_FLIPS  3000

/* What the store has: of each key, its version and its length. */
static struct record {
	uint32_t version; /* 0: no such record */
	uint32_t len;
} model[KEYS];
static uint64_t keys_end; /* above the highest key there ever was */

static char dir[] = "/tmp/test_mdbfile.XXXXXX";
static char path[64];
static uint8_t *expected; /* VALUE_MAX bytes */
static uint64_t seed;

static uint64_t
random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t
pick(uint64_t below)
{
	return random_next(&seed) % below;
}

static void
make_value(uint8_t *to, uint64_t key, struct record r)
{
	uint64_t state = key << 40 ^ (uint64_t)r.version << 20 ^ r.len, word;
	size_t i, n;

	for (i = 0; i < r.len; i += n) {
		word = random_next(&state);
		n = r.len - i < sizeof word ? r.len - i : sizeof word;
		memcpy(to + i, &word, n);
	}
}

/* A failing disk: reads that touch this byte fail. */
static off_t broken_at = -1;
static int broken_errno;
ssize_t __real_pread(int, void *, size_t, off_t);
ssize_t __wrap_pread(int, void *, size_t, off_t);

ssize_t
__wrap_pread(int fd, void *buf, size_t len, off_t offset)
{
	if (broken_at >= offset && broken_at < offset + (off_t)len) {
		errno = broken_errno;
		return -1;
	}
	return __real_pread(fd, buf, len, offset);
}

/* The store, through LMDB. */

static MDB_env *env;
static MDB_dbi dbi;

static MDB_txn *
txn_begin(unsigned flags)
{
	MDB_txn *txn;

	assert_int_equal(mdb_txn_begin(env, NULL, flags, &txn), 0);
	return txn;
}

static void
txn_commit(MDB_txn *txn)
{
	assert_int_equal(mdb_txn_commit(txn), 0);
}

/* LMDB keeps the page size of the file that it finds. */
static void
write_empty_store(uint32_t psize)
{
	uint8_t *two = calloc(2, psize);
	uint64_t none = UINT64_MAX, mapsize = 1 << 20, one = 1;
	uint32_t head[2] = { 0xBEEFC0DE, 1 };
	FILE *fp = fopen(path, "wb");
	uint16_t meta = 8;
	unsigned i;

	for (i = 0; i < 2; i++) {
		two[i * psize] = (uint8_t)i;
		memcpy(two + i * psize + 10, &meta, 2);
		memcpy(two + i * psize + 16, head, sizeof head);
		memcpy(two + i * psize + 32, &mapsize, 8);
		memcpy(two + i * psize + 40, &psize, 4);
		two[i * psize + 44] = 8;
		memcpy(two + i * psize + 80, &none, 8);
		memcpy(two + i * psize + MAIN_ROOT, &none, 8);
		memcpy(two + i * psize + 136, &one, 8);
	}
	assert_non_null(fp);
	assert_int_equal(fwrite(two, psize, 2, fp), 2);
	assert_int_equal(fclose(fp), 0);
	free(two);
}

static void
store_open(uint32_t psize)
{
	MDB_txn *txn;

	memset(model, 0, sizeof model);
	keys_end = 0;
	seed = 1;
	unlink(path);
	if (psize != 0)
		write_empty_store(psize);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 1 << 30), 0);
	assert_int_equal(mdb_env_open(env, path,
			     MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOTLS, 0600),
	    0);
	txn = txn_begin(0);
	assert_int_equal(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY | MDB_CREATE,
			     &dbi),
	    0);
	txn_commit(txn);
}

static void
store_close(void)
{
	mdb_env_close(env);
	env = NULL;
}

static void
put(MDB_txn *txn, uint64_t key, uint32_t len)
{
	struct record r = { model[key].version + 1, len };
	MDB_val k = { sizeof key, &key }, v = { len, expected };

	make_value(expected, key, r);
	assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	model[key] = r;
	keys_end = key < keys_end ? keys_end : key + 1;
}

static void
del(MDB_txn *txn, uint64_t key)
{
	MDB_val k = { sizeof key, &key };

	if (model[key].version == 0)
		return;
	assert_int_equal(mdb_del(txn, dbi, &k, NULL), 0);
	model[key].version = 0;
}

static void
put_many(uint64_t first, uint64_t count, uint32_t len_max)
{
	MDB_txn *txn = txn_begin(0);
	uint64_t i;

	for (i = 0; i < count; i++)
		put(txn, first + i, (uint32_t)pick(len_max + 1));
	txn_commit(txn);
}

/* COUNT transactions that put and delete here and there. */
static void
churn(unsigned count, uint64_t keys)
{
	MDB_txn *txn;
	uint64_t first, i, n;

	while (count-- > 0) {
		txn = txn_begin(0);
		first = pick(keys);
		n = pick(60);
		for (i = 0; i < n; i++)
			if (pick(2) == 0)
				del(txn, first + pick(200));
			else
				put(txn, first + pick(200),
				    (uint32_t)pick(pick(9) ? 300 : 20000));
		txn_commit(txn);
	}
}

/* The walk, and what came of it. */

struct walked {
	int state;
	uint64_t sounds, strays;
	uint64_t wrong;     /* came from the tree, and is not right */
	uint64_t wrong_key; /* the last of them */
	uint64_t wrong_offset;
	uint64_t wrong_len;
	uint64_t next;
	unsigned damages;
	uint64_t damage_offset; /* the first */
	char what[200];
	struct came {
		uint64_t offset;
		bool sound; /* from the tree, and is right */
		bool stray; /* as stray, and is right */
	} key[KEYS];
};

static struct walked walked;

static bool
is_right(uint64_t key, const void *value, size_t len)
{
	if (key >= keys_end || model[key].version == 0 || model[key].len != len)
		return false;
	make_value(expected, key, model[key]);
	return memcmp(expected, value, len) == 0;
}

static bool
on_record(void *arg, uint64_t key, const void *value, size_t len,
    uint64_t offset, bool stray)
{
	struct walked *w = arg;
	bool right = is_right(key, value, len);

	assert_true(len <= VALUE_MAX);
	w->strays += stray;
	w->sounds += !stray;
	if (!stray) {
		assert_true(key >= w->next);
		w->next = key + 1;
	}
	if (right && stray)
		w->key[key].stray = true;
	if (right && !stray) {
		w->key[key].sound = true;
		w->key[key].offset = offset;
	}
	if (!right && !stray) {
		w->wrong++;
		w->wrong_key = key;
		w->wrong_offset = offset;
		w->wrong_len = len;
	}
	return right;
}

static void
on_damage(void *arg, uint64_t offset, const char *what)
{
	struct walked *w = arg;

	if (w->damages++ > 0)
		return;
	w->damage_offset = offset;
	snprintf(w->what, sizeof w->what, "%s", what);
}

static void
walked_clear(void)
{
	memset(&walked, 0,
	    offsetof(struct walked, key) + keys_end * sizeof *walked.key);
}

static int
walk_fd(int fd, uint64_t txnid)
{
	struct mdbfile_hooks hooks = { &walked, on_record, on_damage };

	walked_clear();
	walked.state = mdbfile_walk(fd, txnid, VALUE_MAX, &hooks);
	if (walked.state >= 0)
		assert_int_equal(walked.state, walked.damages > 0);
	return walked.state;
}

static int
walk_path(uint64_t txnid)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), state;

	assert_true(fd >= 0);
	state = walk_fd(fd, txnid);
	close(fd);
	return state;
}

static void
assert_all_sound(void)
{
	uint64_t key, count = 0;

	if (walked.damages > 0)
		print_message("%s\n", walked.what);
	assert_int_equal(walked.state, MDBFILE_SOUND);
	for (key = 0; key < keys_end; key++) {
		count += model[key].version > 0;
		assert_int_equal(walked.key[key].sound,
		    model[key].version > 0 ? 1 : 0);
	}
	assert_int_equal(walked.sounds, count);
	assert_int_equal(walked.strays, 0);
}

static void
assert_store_sound(void)
{
	walk_path(0);
	assert_all_sound();
}

/* A copy of the file, to damage: in memory, and as a file. */

static uint8_t *image;
static size_t image_len;
static int image_fd;
static struct walked whole; /* the walk of the undamaged file */

static void
image_take(void)
{
	FILE *fp;
	struct stat st;

	assert_store_sound();
	whole = walked;
	assert_int_equal(stat(path, &st), 0);
	image_len = (size_t)st.st_size;
	image = malloc(image_len);
	image_fd = memfd_create("image", MFD_CLOEXEC);
	fp = fopen(path, "rb");
	assert_true(image != NULL && fp != NULL && image_fd >= 0);
	assert_int_equal(fread(image, 1, image_len, fp), image_len);
	fclose(fp);
	assert_int_equal(pwrite(image_fd, image, image_len, 0),
	    (ssize_t)image_len);
}

static void
image_drop(void)
{
	close(image_fd);
	free(image);
}

static void
image_write(size_t at, const void *bytes, size_t len)
{
	assert_int_equal(pwrite(image_fd, bytes, len, (off_t)at), (ssize_t)len);
}

static void
image_mend(size_t at, size_t len)
{
	image_write(at, image + at, len);
}

/* Walk a copy in which LEN bytes AT differ, and make it whole again. */
static void
image_walk_with(size_t at, const void *bytes, size_t len)
{
	image_write(at, bytes, len);
	walk_fd(image_fd, 0);
	image_mend(at, len);
}

/* The meta page in force. */
static size_t
image_meta(void)
{
	uint64_t a, b;

	memcpy(&a, image + META_TXNID, sizeof a);
	memcpy(&b, image + PSIZE + META_TXNID, sizeof b);
	return a < b ? PSIZE : 0;
}

/* Where the node is that has KEY and whose value is at OFFSET; 0: several. */
static size_t
find_node(uint64_t key, uint64_t offset)
{
	uint64_t pair[2] = { key, offset / PSIZE };
	const uint8_t *at, *again;

	if (offset % PSIZE != 16 || memcmp(image + offset - 8, &key, 8) == 0)
		return (size_t)offset - 16;
	at = memmem(image, image_len, pair, sizeof pair);
	assert_non_null(at);
	again = memmem(at + 1, (size_t)(image + image_len - at - 1), pair,
	    sizeof pair);
	return again == NULL ? (size_t)(at - image) - 8 : 0;
}

static bool
overlap(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end)
{
	return a < b_end && b < a_end;
}

/* Whether damage from BEGIN to END leaves the record, and its page, alone. */
static bool
is_untouched(uint64_t key, uint64_t begin, uint64_t end)
{
	uint64_t value = whole.key[key].offset, node = find_node(key, value);
	uint64_t page = node / PSIZE * PSIZE;

	return node != 0 && !overlap(page, page + PSIZE, begin, end) &&
	       !overlap(value / PSIZE * PSIZE, value + model[key].len, begin,
		   end);
}

/* After damage to what is from BEGIN to END: all others were found. */
static void
assert_others_found(uint64_t begin, uint64_t end)
{
	uint64_t key;

	assert_true(walked.state >= 0);
	for (key = 0; key < keys_end; key++)
		if (model[key].version != 0 && !walked.key[key].sound &&
		    !walked.key[key].stray && is_untouched(key, begin, end))
			fail_msg("key %lu is lost by damage at %lu: %s", key,
			    begin, walked.what);
	if (walked.state == MDBFILE_SOUND)
		assert_int_equal(walked.sounds, whole.sounds);
}

/* A store of about 1 MB that has all kinds of pages. */
static void
make_mixed(void)
{
	store_open(0);
	put_many(0, 1000, 250);
	churn(20, 900);
	put_many(1000, 1000, 250);
	put_many(2000, 4, 200 << 10);
	store_close();
	image_take();
	assert_true(image_len > 800 * 1000 && image_len < 3 * 1000 * 1000);
}

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
	struct mdbfile_hooks hooks = { &walked, on_record, on_damage };

	(void)state;
	make_mixed();
	walked_clear();
	assert_int_equal(mdbfile_walk(image_fd, 0, model[2000].len - 1, &hooks),
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

static int
setup(void **state)
{
	(void)state;
	expected = malloc(VALUE_MAX);
	if (expected == NULL || mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/store", dir);
	return 0;
}

static int
teardown(void **state)
{
	char lock[80];

	(void)state;
	snprintf(lock, sizeof lock, "%s-lock", path);
	unlink(lock);
	unlink(path);
	free(expected);
	return rmdir(dir);
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
		cmocka_unit_test(lost_leaf),
		cmocka_unit_test(lost_root),
		cmocka_unit_test(lost_metas),
		cmocka_unit_test(wrong_counts),
		cmocka_unit_test(older_copy),
		cmocka_unit_test(too_long_value),
		cmocka_unit_test(wrong_page_size),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
