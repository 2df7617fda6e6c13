/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "mdbwalk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct mdbwalk_tree {
	const struct mdbpage_db *db;
	bool main;
	bool full;       /* UINT64_MAX was seen */
	uint64_t next;   /* the lowest key that may follow */
	uint64_t before; /* what that was one record earlier */
	uint64_t branch_pages;
	uint64_t leaf_pages;
	uint64_t overflow_pages;
	uint64_t entries;
};

static void mdbwalk_descend(struct mdbwalk *, struct mdbwalk_tree *,
    uint64_t pgno, unsigned level, struct mdbwalk_range);

static void
mdbwalk_set_bit(uint8_t *bits, uint64_t i)
{
	bits[i / 8] |= (uint8_t)(1u << i % 8);
}

/* Damage. */

static void mdbwalk_tell(struct mdbwalk *, uint64_t offset, const char *fmt,
    va_list) __attribute__((format(printf, 3, 0)));

static void
mdbwalk_tell(struct mdbwalk *w, uint64_t offset, const char *fmt, va_list ap)
{
	char what[200];

	if (w->error != 0)
		return;
	w->found++;
	vsnprintf(what, sizeof what, fmt, ap);
	w->hooks->on_damage(w->hooks->arg, offset, what);
}

void
mdbwalk_report(struct mdbwalk *w, uint64_t offset, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	mdbwalk_tell(w, offset, fmt, ap);
	va_end(ap);
}

void
mdbwalk_report_page(struct mdbwalk *w, uint64_t pgno, uint64_t at,
    const char *fmt, ...)
{
	va_list ap;

	if (pgno < w->pages && mdbwalk_has_bit(w->told, pgno))
		return;
	if (pgno < w->pages)
		mdbwalk_set_bit(w->told, pgno);
	va_start(ap, fmt);
	mdbwalk_tell(w, pgno * w->psize + at, fmt, ap);
	va_end(ap);
}

static void
mdbwalk_report_node(struct mdbwalk *w, uint64_t pgno, uint64_t at,
    unsigned node, const char *what)
{
	mdbwalk_report_page(w, pgno, at, "page %" PRIu64 ": node %u %s", pgno,
	    node, what);
}

/* Keys whose records may be elsewhere. */
static void
mdbwalk_lose(struct mdbwalk *w, const struct mdbwalk_tree *t, uint64_t lo,
    uint64_t hi)
{
	struct mdbwalk_range *last;

	if (!t->main || lo > hi)
		return;
	last = w->lost_count > 0 ? &w->lost[w->lost_count - 1] : w->lost;
	if (w->lost_count > 0 && lo >= last->lo &&
	    (lo <= last->hi || lo - 1 == last->hi)) {
		last->hi = hi > last->hi ? hi : last->hi;
	} else if (w->lost_count < MDBWALK_LOST_MAX) {
		w->lost[w->lost_count++] = (struct mdbwalk_range){ lo, hi };
	} else {
		last->lo = lo < last->lo ? lo : last->lo;
		last->hi = hi > last->hi ? hi : last->hi;
	}
}

/* Reading. */

ssize_t
mdbwalk_pread(struct mdbwalk *w, void *buf, size_t len, uint64_t offset)
{
	size_t got = 0;
	ssize_t n = 0;

	while (got < len) {
		n = pread(w->fd, (uint8_t *)buf + got, len - got,
		    (off_t)(offset + got));
		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			break;
	}
	if (n >= 0)
		return (ssize_t)got;
	if (errno != EIO)
		w->error = errno;
	return -1;
}

bool
mdbwalk_read(struct mdbwalk *w, uint64_t pgno, void *buf, size_t len)
{
	ssize_t n;

	if (w->error != 0)
		return false;
	n = mdbwalk_pread(w, buf, len, pgno * w->psize);
	if (n < 0)
		mdbwalk_report_page(w, pgno, 0,
		    "page %" PRIu64 " cannot be read: %s", pgno,
		    strerror(errno));
	else if ((size_t)n < len)
		mdbwalk_report_page(w, pgno, 0,
		    "the file ends at byte %" PRIu64 ", but page %" PRIu64
		    " is in use",
		    w->bytes, pgno);
	return n == (ssize_t)len;
}

static bool
mdbwalk_pgno_valid(const struct mdbwalk *w, uint64_t pgno)
{
	return pgno >= 2 && pgno <= w->meta.last_pgno && pgno < w->pages;
}

/* Values on pages of their own. */

/*
 * Read the head of the pages that NODE's value is on.  Returns their number,
 * or 0 with *WHAT, a clause that follows "its value".
 */
static uint32_t
mdbwalk_read_head(struct mdbwalk *w, const struct mdbpage_node *node,
    const char **what)
{
	uint64_t need = mdbpage_count_overflow(w->psize, node->len);
	uint8_t head[MDBPAGE_HEADER];
	uint32_t pages;
	ssize_t n;

	*what = "is on pages that cannot be";
	if (node->page < 2 || node->page >= w->pages ||
	    need > w->pages - node->page)
		return 0;
	*what = "cannot be read";
	n = mdbwalk_pread(w, head, sizeof head, node->page * w->psize);
	if (n != (ssize_t)sizeof head)
		return 0;
	*what = "is not at the page that it should be at";
	pages = mdbpage_read_overflow(head, node->page);
	return pages >= need ? pages : 0;
}

/* Where the value of NODE, that is on its own pages, is in the file. */
static uint64_t
mdbwalk_find_big(const struct mdbwalk *w, const struct mdbpage_node *node)
{
	return node->page * w->psize + MDBPAGE_HEADER;
}

/* Read it to w->value. */
static bool
mdbwalk_read_big(struct mdbwalk *w, const struct mdbpage_node *node)
{
	return node->page >= 2 && node->page < w->pages &&
	       node->len <= w->value_size &&
	       mdbwalk_find_big(w, node) + node->len <= w->bytes &&
	       mdbwalk_pread(w, w->value, node->len,
		   mdbwalk_find_big(w, node)) == (ssize_t)node->len;
}

/* Take COUNT pages from PGNO on for one value, or none. */
static bool
mdbwalk_claim(struct mdbwalk *w, uint64_t pgno, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count; i++)
		if (mdbwalk_has_bit(w->used, pgno + i))
			return false;
	for (i = 0; i < count; i++) {
		mdbwalk_set_bit(w->used, pgno + i);
		mdbwalk_set_bit(w->done, pgno + i);
	}
	return true;
}

/*
 * A value that was replaced by a shorter one keeps its pages.  They belong to
 * it, unless its page count is wrong.
 */
static void
mdbwalk_claim_rest(struct mdbwalk *w, const struct mdbpage_node *node,
    uint32_t pages)
{
	uint64_t i = mdbpage_count_overflow(w->psize, node->len);
	uint64_t pgno;

	for (; i < pages; i++) {
		pgno = node->page + i;
		if (!mdbwalk_pgno_valid(w, pgno) ||
		    mdbwalk_has_bit(w->used, pgno)) {
			mdbwalk_report_page(w, node->page, 0,
			    "page %" PRIu64 ": it and the next make %" PRIu32
			    " pages, but page %" PRIu64 " is in use or free",
			    node->page, pages, pgno);
			return;
		}
		mdbwalk_set_bit(w->used, pgno);
	}
}

/* Records. */

void
mdbwalk_offer(struct mdbwalk *w, const struct mdbpage *p, uint64_t pgno,
    const struct mdbpage_node *node)
{
	const uint8_t *value = node->value;
	uint64_t cost = (uint64_t)node->len + (value == NULL ? w->psize : 0);
	uint64_t offset = pgno * w->psize;

	if (node->len > w->value_max || w->error != 0 || w->budget < cost)
		return;
	w->budget -= cost;
	if (value != NULL) {
		offset += (uint64_t)(value - p->bytes);
	} else {
		if (!mdbwalk_read_big(w, node))
			return;
		value = w->value;
		offset = mdbwalk_find_big(w, node);
	}
	w->hooks->on_record(w->hooks->arg, node->key, value, node->len, offset,
	    true);
}

/*
 * Take the pages of NODE's value, then read it: so nothing is read twice.
 * Returns NULL, or a clause that follows "its value".
 */
static const char *
mdbwalk_take_big(struct mdbwalk *w, struct mdbwalk_tree *t,
    const struct mdbpage_node *node)
{
	uint64_t need = mdbpage_count_overflow(w->psize, node->len);
	const char *what;
	uint32_t pages = mdbwalk_read_head(w, node, &what);

	if (pages == 0)
		return what;
	if (node->page + need - 1 > w->meta.last_pgno)
		return "is on pages above the last";
	if (!mdbwalk_claim(w, node->page, need))
		return "is on pages that are also free or in other use";
	mdbwalk_claim_rest(w, node, pages);
	t->overflow_pages += pages;
	return mdbwalk_read_big(w, node) ? NULL : "cannot be read";
}

/*
 * Find the value of a sound node on its own pages.  If something is wrong with
 * them, the value may yet be there.
 */
static bool
mdbwalk_fetch(struct mdbwalk *w, struct mdbwalk_tree *t,
    const struct mdbpage *p, uint64_t pgno, const struct mdbpage_node *node)
{
	const char *what = mdbwalk_take_big(w, t, node);

	if (what == NULL)
		return true;
	mdbwalk_report(w, pgno * w->psize + node->at,
	    "the %s with key %" PRIu64 " is damaged: its value, of %" PRIu32
	    " bytes, %s",
	    t->main ? "record" : "list of free pages", node->key, node->len,
	    what);
	if (t->main)
		mdbwalk_offer(w, p, pgno, node);
	return false;
}

static void
mdbwalk_take_record(struct mdbwalk *w, struct mdbwalk_tree *t,
    const struct mdbpage *p, uint64_t pgno, const struct mdbpage_node *node)
{
	const uint8_t *value = node->value;
	uint64_t offset = pgno * w->psize;

	if (node->len > w->value_max) {
		mdbwalk_report(w, offset + node->at,
		    "the record with key %" PRIu64
		    " is lost: its value, of %" PRIu32 " bytes, is too long",
		    node->key, node->len);
		return;
	}
	if (value != NULL) {
		offset += (uint64_t)(value - p->bytes);
	} else {
		if (!mdbwalk_fetch(w, t, p, pgno, node))
			return;
		value = w->value;
		offset = mdbwalk_find_big(w, node);
	}
	if (w->error == 0 && !w->hooks->on_record(w->hooks->arg, node->key,
				 value, node->len, offset, false))
		mdbwalk_lose(w, t, node->key, node->key);
}

/* The list of free pages: a count, then page numbers, the highest first. */
static const char *
mdbwalk_take_list(struct mdbwalk *w, const uint8_t *list, uint32_t len)
{
	uint64_t count, i, pgno, before = UINT64_MAX;

	if (len < sizeof count || len % sizeof count != 0)
		return "is a list of free pages of a length that cannot be";
	memcpy(&count, list, sizeof count);
	if (count >= len / sizeof count)
		return "is a list of free pages that is too short";
	for (i = 1; i <= count; i++) {
		memcpy(&pgno, list + i * sizeof pgno, sizeof pgno);
		if (!mdbwalk_pgno_valid(w, pgno) || pgno >= before)
			return "lists free pages that cannot be";
		if (mdbwalk_has_bit(w->used, pgno))
			return "lists a free page that is not";
		mdbwalk_set_bit(w->used, pgno);
		before = pgno;
	}
	return NULL;
}

static void
mdbwalk_take_free(struct mdbwalk *w, struct mdbwalk_tree *t,
    const struct mdbpage *p, uint64_t pgno, const struct mdbpage_node *node)
{
	const uint8_t *value = node->value;
	const char *what = NULL;

	if (node->key == 0 || node->key > w->meta.txnid)
		what = "is of a transaction that cannot be";
	else if (node->len > w->value_size)
		what = "is a list of free pages that is too long";
	else if (value != NULL)
		what = mdbwalk_take_list(w, value, node->len);
	else if (mdbwalk_fetch(w, t, p, pgno, node))
		what = mdbwalk_take_list(w, w->value, node->len);
	if (what != NULL)
		mdbwalk_report_page(w, pgno, node->at,
		    "page %" PRIu64 ": the record with key %" PRIu64 " %s",
		    pgno, node->key, what);
}

/* The trees. */

static bool
mdbwalk_key_follows(const struct mdbwalk_tree *t, const struct mdbwalk_range *r,
    uint64_t key)
{
	return !t->full && key >= t->next && key >= r->lo && key <= r->hi;
}

/*
 * Records up to HI are lost.  The last one that seemed sound may be a wrong one
 * in the place of a lost one, so begin with the one before.
 */
static void
mdbwalk_lose_gap(struct mdbwalk *w, const struct mdbwalk_tree *t,
    const struct mdbwalk_range *r, uint64_t hi)
{
	mdbwalk_lose(w, t, t->before > r->lo ? t->before : r->lo, hi);
}

static void
mdbwalk_leaf(struct mdbwalk *w, struct mdbwalk_tree *t, const struct mdbpage *p,
    uint64_t pgno, const struct mdbwalk_range *r)
{
	enum mdbpage_verdict verdict;
	struct mdbpage_node node;
	bool gap = false;
	unsigned i;

	for (i = 0; i < p->count; i++) {
		verdict = mdbpage_read_node(p, i, &node);
		if (verdict == MDBPAGE_SOUND &&
		    !mdbwalk_key_follows(t, r, node.key)) {
			mdbwalk_report_node(w, pgno, node.at, i,
			    "has a key that is out of order");
			verdict = MDBPAGE_FLAWED;
		}
		if (verdict != MDBPAGE_SOUND) {
			gap = true;
			if (verdict == MDBPAGE_FLAWED && t->main)
				mdbwalk_offer(w, p, pgno, &node);
			continue;
		}
		if (gap && node.key > 0)
			mdbwalk_lose_gap(w, t, r, node.key - 1);
		gap = false;
		t->entries++;
		t->full = node.key == UINT64_MAX;
		t->before = t->next;
		t->next = node.key + 1;
		if (t->main)
			mdbwalk_take_record(w, t, p, pgno, &node);
		else
			mdbwalk_take_free(w, t, p, pgno, &node);
	}
	if (gap)
		mdbwalk_lose_gap(w, t, r, r->hi);
}

/*
 * The next node from I on whose key can separate children; sets *HI to the
 * highest key before it.  LO is the separator before.
 */
static unsigned
mdbwalk_find_separator(const struct mdbpage *p, unsigned i, uint64_t lo,
    const struct mdbwalk_range *r, uint64_t *hi)
{
	struct mdbpage_node node;

	*hi = r->hi;
	for (; i < p->count; i++) {
		if (mdbpage_read_node(p, i, &node) != MDBPAGE_SOUND ||
		    node.key <= lo || node.key > r->hi)
			continue;
		*hi = node.key - 1;
		break;
	}
	return i;
}

static void
mdbwalk_branch(struct mdbwalk *w, struct mdbwalk_tree *t,
    const struct mdbpage *p, uint64_t pgno, unsigned level,
    const struct mdbwalk_range *r)
{
	struct mdbwalk_range child = { r->lo, r->hi };
	unsigned next = mdbwalk_find_separator(p, 1, r->lo, r, &child.hi);
	uint64_t before = r->lo; /* as for records, one child earlier */
	struct mdbpage_node node;
	bool sound;
	unsigned i;

	for (i = 0; i < p->count; i++) {
		sound = mdbpage_read_node(p, i, &node) == MDBPAGE_SOUND;
		if (i == next) {
			before = child.lo;
			child.lo = child.hi + 1;
			next = mdbwalk_find_separator(p, i + 1, child.lo, r,
			    &child.hi);
		} else if (i > 0 && sound) {
			mdbwalk_report_node(w, pgno, node.at, i,
			    "has a key that is out of order");
			mdbwalk_lose(w, t, before, child.hi);
		}
		if (sound)
			mdbwalk_descend(w, t, node.page, level + 1, child);
		else
			mdbwalk_lose(w, t, before, child.hi);
	}
}

/* Read page PGNO as a page of the tree, or say why it is none. */
static bool
mdbwalk_load(struct mdbwalk *w, struct mdbwalk_tree *t, struct mdbpage *p,
    uint64_t pgno, const struct mdbwalk_range *r)
{
	struct mdbpage_fault fault;
	enum mdbpage_verdict verdict;
	struct mdbpage_node node;
	unsigned i;

	verdict = mdbpage_check(p, pgno, w->scratch, &fault);
	if (fault.what != NULL && fault.node >= 0)
		mdbwalk_report_node(w, pgno, 0, (unsigned)fault.node,
		    fault.what);
	else if (fault.what != NULL)
		mdbwalk_report_page(w, pgno, 0, "page %" PRIu64 " %s", pgno,
		    fault.what);
	if (verdict != MDBPAGE_WRONG)
		return true;
	if (!p->leaf || !t->main)
		return false;
	mdbpage_guess(p);
	for (i = 0; i < p->count; i++)
		if (mdbpage_read_node(p, i, &node) != MDBPAGE_WRONG &&
		    node.key >= r->lo && node.key <= r->hi)
			mdbwalk_offer(w, p, pgno, &node);
	return false;
}

/* Whether page PGNO may be a page of a tree; takes it. */
static bool
mdbwalk_claim_page(struct mdbwalk *w, uint64_t pgno)
{
	if (pgno >= 2 && pgno <= w->meta.last_pgno && pgno >= w->file_pages) {
		mdbwalk_report_page(w, pgno, 0,
		    "the file ends at byte %" PRIu64 ", but page %" PRIu64
		    " is in use",
		    w->bytes, pgno);
		return false;
	}
	if (!mdbwalk_pgno_valid(w, pgno)) {
		mdbwalk_report(w, 0,
		    "page %" PRIu64 " is in use, but the last is %" PRIu64,
		    pgno, w->meta.last_pgno);
		return false;
	}
	if (mdbwalk_has_bit(w->used, pgno)) {
		mdbwalk_report_page(w, pgno, 0,
		    "page %" PRIu64 " is in use twice, or in use and free",
		    pgno);
		return false;
	}
	mdbwalk_set_bit(w->used, pgno);
	return true;
}

/* Recursion ends at the depth of the tree, which is MDBPAGE_DEPTH at most. */
static void
mdbwalk_descend(struct mdbwalk *w, struct mdbwalk_tree *t, uint64_t pgno,
    unsigned level, struct mdbwalk_range r)
{
	struct mdbpage p = { w->levels + (size_t)(level - 1) * w->psize,
		w->psize, 0, level == t->db->depth };

	if (!mdbwalk_claim_page(w, pgno) ||
	    !mdbwalk_read(w, pgno, p.bytes, w->psize) ||
	    !mdbwalk_load(w, t, &p, pgno, &r)) {
		mdbwalk_lose(w, t, r.lo, r.hi);
		return;
	}
	mdbwalk_set_bit(w->done, pgno);
	if (p.leaf) {
		t->leaf_pages++;
		mdbwalk_leaf(w, t, &p, pgno, &r);
	} else {
		t->branch_pages++;
		mdbwalk_branch(w, t, &p, pgno, level, &r);
	}
}

static void
mdbwalk_compare(struct mdbwalk *w, const struct mdbwalk_tree *t, const char *of,
    uint64_t counted, uint64_t said)
{
	if (counted != said)
		mdbwalk_report(w, 0,
		    "the %s has %" PRIu64 " %s, but should have %" PRIu64,
		    t->main ? "database" : "list of free pages", counted, of,
		    said);
}

/* Returns whether the tree is sound. */
bool
mdbwalk_tree(struct mdbwalk *w, const struct mdbpage_db *db, bool is_main)
{
	struct mdbwalk_tree t = { .db = db, .main = is_main };
	struct mdbwalk_range all = { 0, UINT64_MAX };
	uint64_t before = w->found;

	if (!mdbpage_db_valid(db, w->meta.last_pgno))
		mdbwalk_report(w, 0, "the %s has a root that cannot be",
		    is_main ? "database" : "list of free pages");
	else if (db->root != MDBPAGE_NO_ROOT)
		mdbwalk_descend(w, &t, db->root, 1, all);
	if (w->found != before)
		return false;
	/* What could not be read was not counted. */
	mdbwalk_compare(w, &t, "branch pages", t.branch_pages,
	    db->branch_pages);
	mdbwalk_compare(w, &t, "leaf pages", t.leaf_pages, db->leaf_pages);
	mdbwalk_compare(w, &t, "overflow pages", t.overflow_pages,
	    db->overflow_pages);
	mdbwalk_compare(w, &t, "records", t.entries, db->entries);
	return w->found == before;
}
