/* SPDX-License-Identifier: ISC */
/*
 * mdbwalk - one walk over a data file of LMDB, for mdbfile alone: its trees
 * with what they find wrong, and reading.
 * Thread: any.  Owns: nothing; mdbfile makes and frees what is in the struct.
 * Limits: trees of at most MDBPAGE_DEPTH levels; each page is read as a part
 * of a tree once at most, so no file makes a walk endless.
 */
#ifndef MPUSHD_MDBWALK_H
#define MPUSHD_MDBWALK_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mdbfile.h"
#include "mdbpage.h"

#define MDBWALK_LOST_MAX 256

/* Keys, both ends included. */
struct mdbwalk_range {
	uint64_t lo;
	uint64_t hi;
};

struct mdbwalk {
	int fd;
	int error; /* errno of what makes the walk pointless, or 0 */
	const struct mdbfile_hooks *hooks;
	size_t value_max;
	uint64_t bytes; /* the file's length */
	uint32_t psize;
	uint64_t file_pages; /* whole pages in the file */
	uint64_t pages;      /* page numbers below this have bits */
	struct mdbpage_meta meta;
	uint64_t found;  /* damages */
	uint64_t budget; /* of bytes of stray values */
	uint8_t *used;   /* bits: claimed by a tree, or free */
	uint8_t *done;   /* bits: read as a part of a tree */
	uint8_t *told;   /* bits: damage was reported */
	uint8_t *levels; /* a page for each level of a tree */
	uint8_t *scratch;
	uint8_t *value;
	size_t value_size;
	/* Keys whose records may be outside the tree. */
	struct mdbwalk_range lost[MDBWALK_LOST_MAX];
	unsigned lost_count;
};

static inline bool
mdbwalk_has_bit(const uint8_t *bits, uint64_t i)
{
	return (bits[i / 8] & 1u << i % 8) != 0;
}

/* Tell the hook of damage at byte OFFSET; counts it. */
void mdbwalk_report(struct mdbwalk *, uint64_t offset, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for byte AT of page PGNO, unless the page had some already. */
void mdbwalk_report_page(struct mdbwalk *, uint64_t pgno, uint64_t at,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * pread(2) until LEN, the end of the file or an error.  Returns the bytes; -1
 * with errno, which goes to the walk's error too unless it is EIO.
 */
ssize_t mdbwalk_pread(struct mdbwalk *, void *buf, size_t len, uint64_t offset);

/* Read the first LEN bytes of page PGNO; false: reported. */
bool mdbwalk_read(struct mdbwalk *, uint64_t pgno, void *buf, size_t len);

/*
 * Walk the tree DB: the database, whose records go to the hook, or the list of
 * free pages, which become used.  What cannot be read of the database is noted
 * as lost.  Returns whether the tree is sound; all else is reported.
 */
bool
mdbwalk_tree(struct mdbwalk *, const struct mdbpage_db *db, bool is_database);

/*
 * Give the hook the record of NODE, of page PGNO in P, as a stray one; nothing
 * if its value cannot be read, or too much was read for stray ones.
 */
void mdbwalk_offer(struct mdbwalk *, const struct mdbpage *p, uint64_t pgno,
    const struct mdbpage_node *node);

#endif
