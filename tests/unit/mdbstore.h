/* SPDX-License-Identifier: ISC */
/*
 * mdbstore - stores that LMDB itself writes, for the tests of mdbfile, and
 * copies of them to damage.  What a record holds follows from its key, its
 * version and its length, so every record that is read can be judged.
 * Failures are those of cmocka.  Thread: one.
 */
#ifndef MPUSHD_MDBSTORE_H
#define MPUSHD_MDBSTORE_H

#include <sys/types.h>

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS      100001
#define VALUE_MAX (256 << 10)
#define PSIZE     4096u

/* Offsets in a meta page. */
#define FREE_COUNT 72
#define FREE_ROOT  80
#define MAIN_COUNT 120
#define MAIN_ROOT  128
#define LAST_PGNO  136
#define META_TXNID 144

/* What the store has: of each key, its version and its length. */
struct record {
	uint32_t version; /* 0: no such record */
	uint32_t len;
};

extern struct record model[KEYS];
extern uint64_t keys_end; /* above the highest key there ever was */
extern uint8_t *expected; /* VALUE_MAX bytes, for anything */
extern off_t broken_at;   /* a read of this byte fails; -1: none does */
extern int broken_errno;  /* with this */
extern MDB_dbi dbi;       /* of the open store */
extern uint8_t *image;    /* the undamaged file */
extern size_t image_len;
extern int image_fd; /* the copy to damage */

/* What came of a walk. */
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

extern struct walked walked; /* the last walk */
extern struct walked whole;  /* the walk of the undamaged file */

/* For cmocka's groups: the folder of the store. */
int store_setup(void **state);
int store_teardown(void **state);

/* A number below BELOW, the same in each run. */
uint64_t pick(uint64_t below);

/* A new store with pages of PSIZE_WANTED bytes (0: as LMDB likes). */
void store_open(uint32_t psize_wanted);
void store_close(void);
MDB_txn *txn_begin(unsigned flags);
void txn_commit(MDB_txn *);
void del(MDB_txn *, uint64_t key);

/* One transaction that puts COUNT keys, with values up to LEN_MAX. */
void put_many(uint64_t first, uint64_t count, uint32_t len_max);

/* COUNT transactions that put and delete here and there. */
void churn(unsigned count, uint64_t keys);

/* Walk, to *walked; the result is mdbfile_walk's. */
int walk_fd(int fd, uint64_t txnid);
int walk_fd_max(int fd, uint64_t txnid, size_t value_max);
int walk_path(uint64_t txnid);

/* The walk found all that the model has, and nothing else. */
void assert_all_sound(void);
void assert_store_sound(void);

/* Take a copy of the store, which must be sound. */
void image_take(void);
void image_drop(void);
void image_write(size_t at, const void *bytes, size_t len);
void image_mend(size_t at, size_t len);

/* Walk a copy in which LEN bytes AT differ, and make it whole again. */
void image_walk_with(size_t at, const void *bytes, size_t len);

/* Where the meta page in force is. */
size_t image_meta(void);

/* Where the node is that has KEY and whose value is at OFFSET; 0: several. */
size_t find_node(uint64_t key, uint64_t offset);

bool overlap(uint64_t a, uint64_t a_end, uint64_t b, uint64_t b_end);

/* After damage to what is from BEGIN to END: all others were found. */
void assert_others_found(uint64_t begin, uint64_t end);

/* A copy of a store of about 1 MB that has all kinds of pages. */
void make_mixed(void);

#endif
