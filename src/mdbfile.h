/* SPDX-License-Identifier: ISC */
/*
 * mdbfile - reads the data file of an LMDB 0.9 store and trusts not one byte
 * of it.  LMDB does not check its pages: a file that was cut ends the process
 * with SIGBUS, a flipped bit crashes or misleads it.  So a store is opened
 * with LMDB only after this has found it sound; from a damaged one this reads
 * what can be read.
 * The store: the main database only, MDB_INTEGERKEY with keys of eight bytes,
 * no MDB_DUPSORT, no named databases; native byte order, 64-bit.
 * Thread: any.  Owns: nothing beyond a call.
 * Limits: one page buffer a level of the tree (at most 32), three bits a page
 * of the file, one value or list of free pages.  Stray records (below) are at
 * most 16 times the size of the file in all.
 *
 * What it finds: every page in use is where it says it is, in the tree once,
 * and not free; nodes tile their page; keys ascend and are within the bounds
 * of the pages above; depth and counts are as the meta page says; the list of
 * free pages is well-formed.
 * What no structure shows: a bit flipped within a value or the lower bits of a
 * key, or the length of a value of several pages by less than a page, and that
 * the numbers of two such values' pages changed places.  A record needs a
 * checksum of its own, and it must cover the key and the length.
 */
#ifndef MPUSHD_MDBFILE_H
#define MPUSHD_MDBFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mdbfile_state {
	MDBFILE_SOUND = 0,
	MDBFILE_DAMAGED = 1
};

struct mdbfile_hooks {
	void *arg;

	/*
	 * A record.  VALUE, not aligned, is good until the hook returns; OFFSET
	 * is its place in the file.
	 * STRAY false: from the tree, in ascending order of keys, each key
	 * once.  Return false if it cannot be used (its checksum is wrong):
	 * that is no damage by itself, but other copies of the record are then
	 * looked for and come as stray.
	 * STRAY true: a copy that was found outside the tree, or in a place
	 * where something is wrong.  It may be an old version, deleted long
	 * ago, or no record at all; it may come several times, and all stray
	 * ones come in any order.  The result does not count.
	 */
	bool (*on_record)(void *arg, uint64_t key, const void *value,
	    size_t len, uint64_t offset, bool stray);

	/*
	 * Something is wrong at byte OFFSET of the file; WHAT is a clause for a
	 * person ("page 17: node 3 ends outside the page"), good until the hook
	 * returns.  At most one a page, and one for each record whose value
	 * cannot be read.
	 */
	void (*on_damage)(void *arg, uint64_t offset, const char *what);
};

/*
 * Read all of the file FD, with pread(2) alone: a bad disk is damage of a
 * page, not a signal.  TXNID 0: the newest transaction; nobody may write.
 * Else exactly that one, in a file which may be written to, if a reader has
 * pinned it; the second commit after it takes its meta page, so begin before.
 * VALUE_MAX: bytes of the longest value that can be; a longer one is damage.
 * If a part of the tree cannot be read, all pages outside the tree are
 * searched for the records of that part.  If the newest meta page cannot be
 * used, the other one is, and every page is searched.
 * Returns MDBFILE_SOUND, or MDBFILE_DAMAGED after at least one call of
 * on_damage; -1 with errno if nothing can be said: ENOENT no meta page has
 * TXNID, EFBIG or ENOMEM the file is too large, else what fstat(2) or pread(2)
 * said (but EIO).
 */
int mdbfile_walk(int fd, uint64_t txnid, size_t value_max,
    const struct mdbfile_hooks *hooks);

#endif
