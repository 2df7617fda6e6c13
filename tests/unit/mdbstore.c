/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mdbfile.h"
#include "mdbstore.h"

struct record model[KEYS];
uint64_t keys_end; /* above the highest key there ever was */

static char dir[] = "/tmp/test_mdbfile.XXXXXX";
static char path[64];
uint8_t *expected; /* VALUE_MAX bytes */
static uint64_t seed;

static uint64_t
random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t
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
off_t broken_at = -1;
int broken_errno;
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
MDB_dbi dbi;

MDB_txn *
txn_begin(unsigned flags)
{
	MDB_txn *txn;

	assert_int_equal(mdb_txn_begin(env, NULL, flags, &txn), 0);
	return txn;
}

void
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

void
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

void
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

void
del(MDB_txn *txn, uint64_t key)
{
	MDB_val k = { sizeof key, &key };

	if (model[key].version == 0)
		return;
	assert_int_equal(mdb_del(txn, dbi, &k, NULL), 0);
	model[key].version = 0;
}

void
put_many(uint64_t first, uint64_t count, uint32_t len_max)
{
	MDB_txn *txn = txn_begin(0);
	uint64_t i;

	for (i = 0; i < count; i++)
		put(txn, first + i, (uint32_t)pick(len_max + 1));
	txn_commit(txn);
}

/* COUNT transactions that put and delete here and there. */
void
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

struct walked walked;

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

int
walk_fd_max(int fd, uint64_t txnid, size_t value_max)
{
	struct mdbfile_hooks hooks = { &walked, on_record, on_damage };

	walked_clear();
	walked.state = mdbfile_walk(fd, txnid, value_max, &hooks);
	if (walked.state >= 0)
		assert_int_equal(walked.state, walked.damages > 0);
	return walked.state;
}

int
walk_fd(int fd, uint64_t txnid)
{
	return walk_fd_max(fd, txnid, VALUE_MAX);
}

int
walk_path(uint64_t txnid)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), state;

	assert_true(fd >= 0);
	state = walk_fd(fd, txnid);
	close(fd);
	return state;
}

void
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

void
assert_store_sound(void)
{
	walk_path(0);
	assert_all_sound();
}

/* A copy of the file, to damage: in memory, and as a file. */

uint8_t *image;
size_t image_len;
int image_fd;
struct walked whole; /* the walk of the undamaged file */

void
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

void
image_drop(void)
{
	close(image_fd);
	free(image);
}

void
image_write(size_t at, const void *bytes, size_t len)
{
	assert_int_equal(pwrite(image_fd, bytes, len, (off_t)at), (ssize_t)len);
}

void
image_mend(size_t at, size_t len)
{
	image_write(at, image + at, len);
}

/* Walk a copy in which LEN bytes AT differ, and make it whole again. */
void
image_walk_with(size_t at, const void *bytes, size_t len)
{
	image_write(at, bytes, len);
	walk_fd(image_fd, 0);
	image_mend(at, len);
}

/* The meta page in force. */
size_t
image_meta(void)
{
	uint64_t a, b;

	memcpy(&a, image + META_TXNID, sizeof a);
	memcpy(&b, image + PSIZE + META_TXNID, sizeof b);
	return a < b ? PSIZE : 0;
}

/* Where the node is that has KEY and whose value is at OFFSET; 0: several. */
size_t
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

bool
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
void
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
void
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

int
store_setup(void **state)
{
	(void)state;
	expected = malloc(VALUE_MAX);
	if (expected == NULL || mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/store", dir);
	return 0;
}

int
store_teardown(void **state)
{
	char lock[80];

	(void)state;
	snprintf(lock, sizeof lock, "%s-lock", path);
	unlink(lock);
	unlink(path);
	free(expected);
	return rmdir(dir);
}
