/* SPDX-License-Identifier: ISC */
/*
 * mdbpage - the pages of an LMDB 0.9 data file (64-bit, integer keys of eight
 * bytes), taken apart without trusting a byte of them.
 * Thread: any; pure, no I/O.  Owns: nothing, results point into the page.
 * Limits: pages of 512 to 32768 bytes, as LMDB has them; nothing outside the
 * page is read, whatever it says.
 */
#ifndef MPUSHD_MDBPAGE_H
#define MPUSHD_MDBPAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MDBPAGE_SIZE_MIN 512u
#define MDBPAGE_SIZE_MAX 32768u
#define MDBPAGE_HEADER   16u  /* bytes before the node offsets, or the value */
#define MDBPAGE_META     152u /* bytes of a meta page that mean something */
#define MDBPAGE_DEPTH    32u  /* LMDB's cursors go no deeper */
#define MDBPAGE_NO_ROOT  UINT64_MAX
#define MDBPAGE_PGNO_MAX ((uint64_t)1 << 40)

enum mdbpage_kind {
	MDBPAGE_IS_BRANCH = 1,
	MDBPAGE_IS_LEAF = 2,
	MDBPAGE_IS_OVERFLOW = 4,
	MDBPAGE_IS_META = 8
};

/* One tree, as a meta page describes it. */
struct mdbpage_db {
	uint32_t pad;
	uint16_t flags;
	uint16_t depth;
	uint64_t branch_pages;
	uint64_t leaf_pages;
	uint64_t overflow_pages;
	uint64_t entries;
	uint64_t root; /* MDBPAGE_NO_ROOT: the tree is empty */
};

struct mdbpage_meta {
	uint32_t psize;
	uint64_t last_pgno;
	uint64_t txnid;
	struct mdbpage_db free;
	struct mdbpage_db main;
	const char *flaw; /* of a usable meta page: what is wrong, or NULL */
	bool dated;       /* the transaction's number can be believed */
};

/* A branch or leaf page in a buffer of the caller. */
struct mdbpage {
	uint8_t *bytes;
	uint32_t size;
	uint32_t count; /* of nodes, set by mdbpage_check */
	bool leaf;
};

/* What is wrong with a page: a clause without subject ("has ..."), or NULL. */
struct mdbpage_fault {
	const char *what;
	int node; /* which, or -1: the page as such */
};

enum mdbpage_verdict {
	MDBPAGE_SOUND,  /* page: every node is; node: it is where it belongs */
	MDBPAGE_FLAWED, /* page: some nodes are; node: its extent is doubtful */
	MDBPAGE_WRONG   /* page: not such a page; node: cannot be read */
};

struct mdbpage_node {
	uint64_t key;
	uint64_t page; /* child, or the first page of a big value; else 0 */
	const uint8_t *value; /* in the page, not aligned; NULL if elsewhere */
	uint32_t len;         /* of the value */
	uint32_t at;          /* where the node begins in the page */
};

/*
 * Read the first MDBPAGE_META bytes of the meta page WHICH (0 or 1) into
 * *META.  Returns NULL when it can be used, though META->flaw may name what
 * is wrong beside the trees; else what makes it unusable, a clause without
 * subject; then only META->psize is set, 0 if it is none.
 */
const char *mdbpage_read_meta(struct mdbpage_meta *meta, const uint8_t *bytes,
    unsigned which);

/* Whether the root and depth of a tree can be, and it is all empty or not. */
bool mdbpage_db_valid(const struct mdbpage_db *db, uint64_t last_pgno);

/*
 * Look at every node of P (bytes, size and leaf are set) which is to be page
 * PGNO, set its count, and remember in its node offsets which nodes are not
 * sound: the buffer is changed.  SCRATCH: MDBPAGE_SIZE_MAX / 2 + 1 bytes.
 * The first fault goes to *FAULT.  After MDBPAGE_WRONG the page has no nodes.
 */
enum mdbpage_verdict mdbpage_check(struct mdbpage *p, uint64_t pgno,
    uint8_t *scratch, struct mdbpage_fault *fault);

/*
 * For a leaf page whose head is not to be trusted: find what may be nodes by
 * the offsets alone.  Sets the count; all nodes are flawed or wrong.  Finds
 * none if the page says that it is of another kind.
 */
void mdbpage_guess(struct mdbpage *p);

/* Read node I (< count) of a page that was checked, or guessed, to *NODE. */
enum mdbpage_verdict mdbpage_read_node(const struct mdbpage *p, unsigned i,
    struct mdbpage_node *node);

/* How many pages a value of LEN bytes takes that is not in its leaf. */
uint64_t mdbpage_count_overflow(uint32_t psize, uint64_t len);

/*
 * The number of pages of the overflow page whose first MDBPAGE_HEADER bytes
 * are given; 0 if it is none or not page PGNO.
 */
uint32_t mdbpage_read_overflow(const uint8_t *bytes, uint64_t pgno);

/* The page number that a page has in its head. */
uint64_t mdbpage_read_pgno(const uint8_t *bytes);

#endif
