/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "mdbfile.h"

#include <sys/stat.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mdbpage.h"

#define RANGES_MAX    256
#define PAGES_MAX     ((uint64_t)1 << 32)
#define BUDGET_FACTOR 16
#define GUESS_PAGES   256

/*
 * Pages that were used and freed again in one transaction may never have been
 * written: the file is shorter than the meta page says.  By this much, at
 * most, or we would keep bits for pages that nobody could have used.
 */
#define UNWRITTEN_MAX 65536

/* Keys, both ends included. */
struct range {
	uint64_t lo;
	uint64_t hi;
};

struct walk {
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
	uint64_t budget; /* of bytes to read for stray values */
	uint8_t *used;   /* bits: claimed by a tree, or free */
	uint8_t *done;   /* bits: read as a part of a tree */
	uint8_t *told;   /* bits: damage was reported */
	uint8_t *levels; /* a page for each level of a tree */
	uint8_t *scratch;
	uint8_t *value;
	size_t value_size;
	struct range lost[RANGES_MAX];
	unsigned lost_count;
};

struct tree {
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

static void walk_descend(struct walk *, struct tree *, uint64_t pgno,
    unsigned level, struct range);

/* Bits. */

static bool
walk_bit(const uint8_t *bits, uint64_t i)
{
	return (bits[i / 8] & 1u << i % 8) != 0;
}

static void
walk_set_bit(uint8_t *bits, uint64_t i)
{
	bits[i / 8] |= (uint8_t)(1u << i % 8);
}

/* Damage. */

static void walk_tell(struct walk *, uint64_t offset, const char *fmt, va_list)
    __attribute__((format(printf, 3, 0)));
static void walk_report(struct walk *, uint64_t offset, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void walk_report_page(struct walk *, uint64_t pgno, uint64_t at,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void
walk_tell(struct walk *w, uint64_t offset, const char *fmt, va_list ap)
{
	char what[200];

	if (w->error != 0)
		return;
	w->found++;
	vsnprintf(what, sizeof what, fmt, ap);
	w->hooks->on_damage(w->hooks->arg, offset, what);
}

static void
walk_report(struct walk *w, uint64_t offset, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	walk_tell(w, offset, fmt, ap);
	va_end(ap);
}

/* Report damage AT a byte of page PGNO, unless some was reported there. */
static void
walk_report_page(struct walk *w, uint64_t pgno, uint64_t at, const char *fmt,
    ...)
{
	va_list ap;

	if (pgno < w->pages && walk_bit(w->told, pgno))
		return;
	if (pgno < w->pages)
		walk_set_bit(w->told, pgno);
	va_start(ap, fmt);
	walk_tell(w, pgno * w->psize + at, fmt, ap);
	va_end(ap);
}

static void
walk_report_node(struct walk *w, uint64_t pgno, uint64_t at, unsigned node,
    const char *what)
{
	walk_report_page(w, pgno, at, "page %" PRIu64 ": node %u %s", pgno,
	    node, what);
}

/* Keys whose records may be elsewhere. */
static void
walk_lose(struct walk *w, const struct tree *t, uint64_t lo, uint64_t hi)
{
	struct range *last;

	if (!t->main || lo > hi)
		return;
	last = w->lost_count > 0 ? &w->lost[w->lost_count - 1] : w->lost;
	if (w->lost_count > 0 && lo >= last->lo &&
	    (lo <= last->hi || lo - 1 == last->hi)) {
		last->hi = hi > last->hi ? hi : last->hi;
	} else if (w->lost_count < RANGES_MAX) {
		w->lost[w->lost_count++] = (struct range){ lo, hi };
	} else {
		last->lo = lo < last->lo ? lo : last->lo;
		last->hi = hi > last->hi ? hi : last->hi;
	}
}

static bool
walk_is_lost(const struct walk *w, uint64_t key)
{
	unsigned i;

	for (i = 0; i < w->lost_count; i++)
		if (key >= w->lost[i].lo && key <= w->lost[i].hi)
			return true;
	return false;
}

/* Reading. */

/* pread(2) until LEN, the end of the file or an error. */
static ssize_t
walk_pread(struct walk *w, void *buf, size_t len, uint64_t offset)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = pread(w->fd, (uint8_t *)buf + got, len - got,
		    (off_t)(offset + got));
		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			return -1;
	}
	return (ssize_t)got;
}

/* Read what begins page PGNO, or say that it cannot be read. */
static bool
walk_read(struct walk *w, uint64_t pgno, void *buf, size_t len)
{
	ssize_t n;

	if (w->error != 0)
		return false;
	n = walk_pread(w, buf, len, pgno * w->psize);
	if (n < 0 && errno != EIO)
		w->error = errno;
	else if (n < 0)
		walk_report_page(w, pgno, 0,
		    "page %" PRIu64 " cannot be read: %s", pgno,
		    strerror(errno));
	else if ((size_t)n < len)
		walk_report_page(w, pgno, 0,
		    "the file ends at byte %" PRIu64 ", but page %" PRIu64
		    " is in use",
		    w->bytes, pgno);
	return n == (ssize_t)len;
}

static bool
walk_pgno_valid(const struct walk *w, uint64_t pgno)
{
	return pgno >= 2 && pgno <= w->meta.last_pgno && pgno < w->pages;
}

/* Values on pages of their own. */

/*
 * Read the value of NODE to w->value.  Returns the number of its pages, or 0
 * with *WHAT, a clause that follows "its value".
 */
static uint32_t
walk_read_big(struct walk *w, const struct mdbpage_node *node,
    const char **what)
{
	uint64_t need = mdbpage_count_overflow(w->psize, node->len);
	size_t len = MDBPAGE_HEADER + (size_t)node->len;
	uint32_t pages;
	ssize_t n;

	*what = "is on pages that cannot be";
	if (node->page < 2 || node->page >= w->pages ||
	    need > w->pages - node->page)
		return 0;
	*what = "lies behind the end of the file";
	if (len > w->value_size)
		return 0;
	n = walk_pread(w, w->value, len, node->page * w->psize);
	if (n < 0 && errno != EIO)
		w->error = errno;
	if (n < 0)
		*what = "cannot be read";
	if (n != (ssize_t)len)
		return 0;
	*what = "is not at the page that it should be at";
	pages = mdbpage_read_overflow(w->value, node->page);
	return pages >= need ? pages : 0;
}

/* The value of NODE, which is in page PGNO, is lost. */
static void
walk_report_value(struct walk *w, const struct tree *t, uint64_t pgno,
    const struct mdbpage_node *node, const char *what)
{
	walk_report(w, pgno * w->psize + node->at,
	    "the %s with key %" PRIu64 " is lost: its value, of %" PRIu32
	    " bytes, %s",
	    t->main ? "record" : "list of free pages", node->key, node->len,
	    what);
}

/* Take COUNT pages from PGNO on for one value, or none. */
static bool
walk_claim(struct walk *w, uint64_t pgno, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count; i++)
		if (walk_bit(w->used, pgno + i))
			return false;
	for (i = 0; i < count; i++) {
		walk_set_bit(w->used, pgno + i);
		walk_set_bit(w->done, pgno + i);
	}
	return true;
}

/*
 * A value that was replaced by a shorter one keeps its pages.  They belong to
 * it, unless its page count is wrong.
 */
static void
walk_claim_rest(struct walk *w, const struct mdbpage_node *node, uint32_t pages)
{
	uint64_t i = mdbpage_count_overflow(w->psize, node->len);
	uint64_t pgno;

	for (; i < pages; i++) {
		pgno = node->page + i;
		if (!walk_pgno_valid(w, pgno) || walk_bit(w->used, pgno)) {
			walk_report_page(w, node->page, 0,
			    "page %" PRIu64 ": it and the next make %" PRIu32
			    " pages, but page %" PRIu64 " is in use or free",
			    node->page, pages, pgno);
			return;
		}
		walk_set_bit(w->used, pgno);
	}
}

/* Records. */

/* A record of which it is not certain that it counts; P is page PGNO. */
static void
walk_offer(struct walk *w, const struct mdbpage *p, uint64_t pgno,
    const struct mdbpage_node *node)
{
	const uint8_t *value = node->value;
	uint64_t offset = pgno * w->psize;
	const char *what;

	if (node->len > w->value_max || w->error != 0)
		return;
	if (value != NULL) {
		offset += (uint64_t)(value - p->bytes);
	} else {
		if (w->budget < node->len + w->psize)
			return;
		w->budget -= node->len + w->psize;
		if (walk_read_big(w, node, &what) == 0)
			return;
		value = w->value + MDBPAGE_HEADER;
		offset = node->page * w->psize + MDBPAGE_HEADER;
	}
	w->hooks->on_record(w->hooks->arg, node->key, value, node->len, offset,
	    true);
}

/* Find the value of a sound node on its own pages; false: it is not there. */
static bool
walk_fetch(struct walk *w, struct tree *t, const struct mdbpage *p,
    uint64_t pgno, const struct mdbpage_node *node)
{
	uint64_t need = mdbpage_count_overflow(w->psize, node->len);
	const char *what = NULL;
	uint32_t pages = walk_read_big(w, node, &what);

	if (pages == 0) {
		walk_report_value(w, t, pgno, node, what);
		return false;
	}
	if (node->page + need - 1 > w->meta.last_pgno)
		what = "is on pages above the last";
	else if (!walk_claim(w, node->page, need))
		what = "is on pages that are also free or in other use";
	else
		what = NULL;
	if (what != NULL) {
		walk_report_value(w, t, pgno, node, what);
		if (t->main)
			walk_offer(w, p, pgno, node);
		return false;
	}
	walk_claim_rest(w, node, pages);
	t->overflow_pages += pages;
	return true;
}

static void
walk_take_record(struct walk *w, struct tree *t, const struct mdbpage *p,
    uint64_t pgno, const struct mdbpage_node *node)
{
	const uint8_t *value = node->value;
	uint64_t offset = pgno * w->psize;

	if (node->len > w->value_max) {
		walk_report_value(w, t, pgno, node, "is too long");
		return;
	}
	if (value != NULL) {
		offset += (uint64_t)(value - p->bytes);
	} else {
		if (!walk_fetch(w, t, p, pgno, node))
			return;
		value = w->value + MDBPAGE_HEADER;
		offset = node->page * w->psize + MDBPAGE_HEADER;
	}
	if (w->error == 0 && !w->hooks->on_record(w->hooks->arg, node->key,
				 value, node->len, offset, false))
		walk_lose(w, t, node->key, node->key);
}

/* The list of free pages: a count, then page numbers, the highest first. */
static const char *
walk_take_list(struct walk *w, const uint8_t *list, uint32_t len)
{
	uint64_t count, i, pgno, before = UINT64_MAX;

	if (len < sizeof count || len % sizeof count != 0)
		return "is a list of free pages of a length that cannot be";
	memcpy(&count, list, sizeof count);
	if (count >= len / sizeof count)
		return "is a list of free pages that is too short";
	for (i = 1; i <= count; i++) {
		memcpy(&pgno, list + i * sizeof pgno, sizeof pgno);
		if (!walk_pgno_valid(w, pgno) || pgno >= before)
			return "lists free pages that cannot be";
		if (walk_bit(w->used, pgno))
			return "lists a free page that is not";
		walk_set_bit(w->used, pgno);
		before = pgno;
	}
	return NULL;
}

static void
walk_take_free(struct walk *w, struct tree *t, const struct mdbpage *p,
    uint64_t pgno, const struct mdbpage_node *node)
{
	const uint8_t *value = node->value;
	const char *what = NULL;

	if (node->key == 0 || node->key > w->meta.txnid)
		what = "is of a transaction that cannot be";
	else if (node->len > w->value_size - MDBPAGE_HEADER)
		what = "is a list of free pages that is too long";
	else if (value != NULL)
		what = walk_take_list(w, value, node->len);
	else if (walk_fetch(w, t, p, pgno, node))
		what = walk_take_list(w, w->value + MDBPAGE_HEADER, node->len);
	if (what != NULL)
		walk_report_page(w, pgno, node->at,
		    "page %" PRIu64 ": the record with key %" PRIu64 " %s",
		    pgno, node->key, what);
}

/* The trees. */

static bool
walk_key_follows(const struct tree *t, const struct range *r, uint64_t key)
{
	return !t->full && key >= t->next && key >= r->lo && key <= r->hi;
}

/*
 * Records up to HI are lost.  The last one that seemed sound may be a wrong one
 * in the place of a lost one, so begin with the one before.
 */
static void
walk_lose_gap(struct walk *w, const struct tree *t, const struct range *r,
    uint64_t hi)
{
	walk_lose(w, t, t->before > r->lo ? t->before : r->lo, hi);
}

static void
walk_leaf(struct walk *w, struct tree *t, const struct mdbpage *p,
    uint64_t pgno, const struct range *r)
{
	enum mdbpage_verdict verdict;
	struct mdbpage_node node;
	bool gap = false;
	unsigned i;

	for (i = 0; i < p->count; i++) {
		verdict = mdbpage_read_node(p, i, &node);
		if (verdict == MDBPAGE_SOUND &&
		    !walk_key_follows(t, r, node.key)) {
			walk_report_node(w, pgno, node.at, i,
			    "has a key that is out of order");
			verdict = MDBPAGE_FLAWED;
		}
		if (verdict != MDBPAGE_SOUND) {
			gap = true;
			if (verdict == MDBPAGE_FLAWED && t->main)
				walk_offer(w, p, pgno, &node);
			continue;
		}
		if (gap && node.key > 0)
			walk_lose_gap(w, t, r, node.key - 1);
		gap = false;
		t->entries++;
		t->full = node.key == UINT64_MAX;
		t->before = t->next;
		t->next = node.key + 1;
		if (t->main)
			walk_take_record(w, t, p, pgno, &node);
		else
			walk_take_free(w, t, p, pgno, &node);
	}
	if (gap)
		walk_lose_gap(w, t, r, r->hi);
}

/*
 * The next node from I on whose key can separate children; sets *HI to the
 * highest key before it.  LO is the separator before.
 */
static unsigned
walk_find_separator(const struct mdbpage *p, unsigned i, uint64_t lo,
    const struct range *r, uint64_t *hi)
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
walk_branch(struct walk *w, struct tree *t, const struct mdbpage *p,
    uint64_t pgno, unsigned level, const struct range *r)
{
	struct range child = { r->lo, r->hi };
	unsigned next = walk_find_separator(p, 1, r->lo, r, &child.hi);
	uint64_t before = r->lo; /* as for records, one child earlier */
	struct mdbpage_node node;
	bool sound;
	unsigned i;

	for (i = 0; i < p->count; i++) {
		sound = mdbpage_read_node(p, i, &node) == MDBPAGE_SOUND;
		if (i == next) {
			before = child.lo;
			child.lo = child.hi + 1;
			next = walk_find_separator(p, i + 1, child.lo, r,
			    &child.hi);
		} else if (i > 0 && sound) {
			walk_report_node(w, pgno, node.at, i,
			    "has a key that is out of order");
			walk_lose(w, t, before, child.hi);
		}
		if (sound)
			walk_descend(w, t, node.page, level + 1, child);
		else
			walk_lose(w, t, before, child.hi);
	}
}

/* Read page PGNO as a page of the tree, or say why it is none. */
static bool
walk_load(struct walk *w, struct tree *t, struct mdbpage *p, uint64_t pgno,
    const struct range *r)
{
	struct mdbpage_fault fault;
	enum mdbpage_verdict verdict;
	struct mdbpage_node node;
	unsigned i;

	verdict = mdbpage_check(p, pgno, w->scratch, &fault);
	if (fault.what != NULL && fault.node >= 0)
		walk_report_node(w, pgno, 0, (unsigned)fault.node, fault.what);
	else if (fault.what != NULL)
		walk_report_page(w, pgno, 0, "page %" PRIu64 " %s", pgno,
		    fault.what);
	if (verdict != MDBPAGE_WRONG)
		return true;
	if (!p->leaf || !t->main)
		return false;
	mdbpage_guess(p);
	for (i = 0; i < p->count; i++)
		if (mdbpage_read_node(p, i, &node) != MDBPAGE_WRONG &&
		    node.key >= r->lo && node.key <= r->hi)
			walk_offer(w, p, pgno, &node);
	return false;
}

/* Whether page PGNO may be a page of a tree; takes it. */
static bool
walk_claim_page(struct walk *w, uint64_t pgno)
{
	if (pgno >= 2 && pgno <= w->meta.last_pgno && pgno >= w->file_pages) {
		walk_report_page(w, pgno, 0,
		    "the file ends at byte %" PRIu64 ", but page %" PRIu64
		    " is in use",
		    w->bytes, pgno);
		return false;
	}
	if (!walk_pgno_valid(w, pgno)) {
		walk_report(w, 0,
		    "page %" PRIu64 " is in use, but the last is %" PRIu64,
		    pgno, w->meta.last_pgno);
		return false;
	}
	if (walk_bit(w->used, pgno)) {
		walk_report_page(w, pgno, 0,
		    "page %" PRIu64 " is in use twice, or in use and free",
		    pgno);
		return false;
	}
	walk_set_bit(w->used, pgno);
	return true;
}

/* Recursion ends at the depth of the tree, which is MDBPAGE_DEPTH at most. */
static void
walk_descend(struct walk *w, struct tree *t, uint64_t pgno, unsigned level,
    struct range r)
{
	struct mdbpage p = { w->levels + (size_t)(level - 1) * w->psize,
		w->psize, 0, level == t->db->depth };

	if (!walk_claim_page(w, pgno) ||
	    !walk_read(w, pgno, p.bytes, w->psize) ||
	    !walk_load(w, t, &p, pgno, &r)) {
		walk_lose(w, t, r.lo, r.hi);
		return;
	}
	walk_set_bit(w->done, pgno);
	if (p.leaf) {
		t->leaf_pages++;
		walk_leaf(w, t, &p, pgno, &r);
	} else {
		t->branch_pages++;
		walk_branch(w, t, &p, pgno, level, &r);
	}
}

static void
walk_compare(struct walk *w, const struct tree *t, const char *of,
    uint64_t counted, uint64_t said)
{
	if (counted != said)
		walk_report(w, 0,
		    "the %s has %" PRIu64 " %s, but should have %" PRIu64,
		    t->main ? "database" : "list of free pages", counted, of,
		    said);
}

/* Returns whether the tree is sound. */
static bool
walk_tree(struct walk *w, const struct mdbpage_db *db, bool is_main)
{
	struct tree t = { .db = db, .main = is_main };
	struct range all = { 0, UINT64_MAX };
	uint64_t before = w->found;

	if (!mdbpage_db_valid(db, w->meta.last_pgno))
		walk_report(w, 0, "the %s has a root that cannot be",
		    is_main ? "database" : "list of free pages");
	else if (db->root != MDBPAGE_NO_ROOT)
		walk_descend(w, &t, db->root, 1, all);
	if (w->found != before)
		return false;
	/* What could not be read was not counted. */
	walk_compare(w, &t, "branch pages", t.branch_pages, db->branch_pages);
	walk_compare(w, &t, "leaf pages", t.leaf_pages, db->leaf_pages);
	walk_compare(w, &t, "overflow pages", t.overflow_pages,
	    db->overflow_pages);
	walk_compare(w, &t, "records", t.entries, db->entries);
	return w->found == before;
}

/* Salvage. */

/* Look for lost records in page PGNO, which is in no tree. */
static void
walk_sweep_page(struct walk *w, uint64_t pgno)
{
	struct mdbpage p = { w->levels, w->psize, 0, true };
	struct mdbpage_fault fault;
	struct mdbpage_node node;
	unsigned i;

	if (!walk_read(w, pgno, p.bytes, w->psize) ||
	    mdbpage_check(&p, pgno, w->scratch, &fault) == MDBPAGE_WRONG)
		return;
	for (i = 0; i < p.count; i++)
		if (mdbpage_read_node(&p, i, &node) != MDBPAGE_WRONG &&
		    walk_is_lost(w, node.key))
			walk_offer(w, &p, pgno, &node);
}

static void
walk_sweep(struct walk *w)
{
	uint64_t pgno;

	if (w->lost_count == 0)
		return;
	for (pgno = 2; pgno < w->file_pages && w->error == 0; pgno++)
		if (!walk_bit(w->done, pgno))
			walk_sweep_page(w, pgno);
}

/* Pages that the file does not have must be free. */
static void
walk_check_end(struct walk *w)
{
	uint64_t pgno;

	for (pgno = w->file_pages; pgno <= w->meta.last_pgno; pgno++) {
		if (pgno < w->pages && walk_bit(w->used, pgno))
			continue;
		walk_report_page(w, pgno, 0,
		    "the file ends at byte %" PRIu64 ", but page %" PRIu64
		    " is not free",
		    w->bytes, pgno);
		return;
	}
}

/* The meta pages. */

struct metas {
	struct mdbpage_meta meta[2];
	const char *what[2]; /* why it cannot be used, or NULL */
};

static void
walk_read_meta(struct walk *w, struct metas *m, unsigned i, uint64_t offset)
{
	uint8_t bytes[MDBPAGE_META];
	ssize_t n = walk_pread(w, bytes, sizeof bytes, offset);

	m->meta[i].psize = 0;
	m->what[i] = "cannot be read";
	if (n < 0 && errno != EIO)
		w->error = errno;
	if (n == (ssize_t)sizeof bytes)
		m->what[i] = mdbpage_read_meta(&m->meta[i], bytes, i);
}

/*
 * The second meta page is where its own page size says: that is better
 * evidence of the page size than what the first says.
 */
static void
walk_find_metas(struct walk *w, struct metas *m)
{
	uint32_t said, size;

	walk_read_meta(w, m, 0, 0);
	said = m->meta[0].psize;
	if (said != 0)
		walk_read_meta(w, m, 1, said);
	if (said != 0 && m->what[1] == NULL && m->meta[1].psize == said)
		return;
	for (size = MDBPAGE_SIZE_MIN; size <= MDBPAGE_SIZE_MAX; size *= 2) {
		walk_read_meta(w, m, 1, size);
		if (m->what[1] != NULL || m->meta[1].psize != size)
			continue;
		if (m->what[0] == NULL)
			m->what[0] = "has a wrong page size";
		return;
	}
	if (said != 0)
		walk_read_meta(w, m, 1, said);
	if (m->what[1] == NULL)
		m->what[1] = "has a wrong page size";
}

/* How many of the first pages have their number in their heads. */
static unsigned
walk_count_fits(struct walk *w, uint32_t size)
{
	uint8_t head[MDBPAGE_HEADER];
	unsigned i, n = 0;

	for (i = 1; i < GUESS_PAGES; i++)
		if (walk_pread(w, head, sizeof head, (uint64_t)i * size) ==
			(ssize_t)sizeof head &&
		    mdbpage_read_pgno(head) == i)
			n++;
	return n;
}

/* The page size of a file without a meta page; 0 if it has no pages. */
static uint32_t
walk_guess_psize(struct walk *w)
{
	uint32_t size, best = 0;
	unsigned n, most = 0;

	for (size = MDBPAGE_SIZE_MIN; size <= MDBPAGE_SIZE_MAX; size *= 2) {
		n = walk_count_fits(w, size);
		if (n > most) {
			most = n;
			best = size;
		}
	}
	return best;
}

static void
walk_report_meta(struct walk *w, const struct metas *m, unsigned i)
{
	uint64_t offset = i == 0 ? 0 : m->meta[0].psize;

	if (m->what[i] != NULL)
		walk_report(w, offset, "meta page %u %s", i, m->what[i]);
	else if (m->meta[i].flaw != NULL)
		walk_report(w, offset, "meta page %u %s", i, m->meta[i].flaw);
}

static const struct range walk_all = { 0, UINT64_MAX };

static void
walk_lose_all(struct walk *w)
{
	w->lost[0] = walk_all;
	w->lost_count = 1;
}

/* The meta page of the newest transaction, or NULL. */
static const struct mdbpage_meta *
walk_pick_newest(struct walk *w, const struct metas *m)
{
	uint64_t a = m->meta[0].txnid, b = m->meta[1].txnid;

	walk_report_meta(w, m, 0);
	walk_report_meta(w, m, 1);
	if (m->what[0] != NULL || m->what[1] != NULL) {
		/* The other one may have been newer. */
		walk_lose_all(w);
		if (m->what[0] != NULL && m->what[1] != NULL)
			return NULL;
		return &m->meta[m->what[0] != NULL];
	}
	if (a + 1 != b && b + 1 != a && (a | b) != 0) {
		walk_report(w, 0,
		    "the meta pages are of transactions %" PRIu64
		    " and %" PRIu64 ", which do not follow each other",
		    a, b);
		walk_lose_all(w);
	}
	return &m->meta[a < b];
}

static const struct mdbpage_meta *
walk_pick_txnid(struct walk *w, const struct metas *m, uint64_t txnid)
{
	unsigned i;

	for (i = 0; i < 2; i++) {
		if (m->what[i] != NULL || m->meta[i].txnid != txnid)
			continue;
		walk_report_meta(w, m, i);
		return &m->meta[i];
	}
	if (w->error == 0)
		w->error = ENOENT;
	return NULL;
}

/* Find the transaction to read; false: there is none, or w->error is set. */
static bool
walk_choose_meta(struct walk *w, uint64_t txnid)
{
	const struct mdbpage_meta *meta;
	struct metas m;

	walk_find_metas(w, &m);
	if (w->error != 0)
		return false;
	if (txnid != 0)
		meta = walk_pick_txnid(w, &m, txnid);
	else
		meta = walk_pick_newest(w, &m);
	if (meta == NULL)
		return false;
	w->meta = *meta;
	w->psize = meta->psize;
	return true;
}

/* All memory that the walk needs; what is not touched costs none. */
static bool
walk_alloc(struct walk *w)
{
	uint64_t missing;
	size_t bits, list;

	w->file_pages = w->bytes / w->psize;
	w->pages = w->file_pages;
	if (w->meta.last_pgno >= w->pages) {
		missing = w->meta.last_pgno + 1 - w->pages;
		w->pages += missing < UNWRITTEN_MAX ? missing : UNWRITTEN_MAX;
	}
	if (w->pages > PAGES_MAX) {
		w->error = EFBIG;
		return false;
	}
	bits = (size_t)(w->pages / 8 + 1);
	list = (size_t)(w->pages + 1) * sizeof(uint64_t) + w->psize;
	w->value_size =
	    w->value_max < w->bytes ? w->value_max : (size_t)w->bytes;
	w->value_size = w->value_size > list ? w->value_size : list;
	w->value_size += MDBPAGE_HEADER;
	w->used = calloc(bits, 1);
	w->done = calloc(bits, 1);
	w->told = calloc(bits, 1);
	w->levels = malloc((size_t)MDBPAGE_DEPTH * w->psize);
	w->scratch = malloc(MDBPAGE_SIZE_MAX / 2 + 1);
	w->value = malloc(w->value_size);
	w->budget = w->bytes * BUDGET_FACTOR;
	if (w->used != NULL && w->done != NULL && w->told != NULL &&
	    w->levels != NULL && w->scratch != NULL && w->value != NULL)
		return true;
	w->error = ENOMEM;
	return false;
}

static void
walk_free(struct walk *w)
{
	free(w->used);
	free(w->done);
	free(w->told);
	free(w->levels);
	free(w->scratch);
	free(w->value);
}

/* If the list of free pages is damaged it tells nothing about the others. */
static void
walk_trees(struct walk *w)
{
	size_t bits = (size_t)(w->pages / 8 + 1);

	if (walk_tree(w, &w->meta.free, false)) {
		walk_tree(w, &w->meta.main, true);
		walk_check_end(w);
		return;
	}
	memset(w->used, 0, bits);
	memset(w->done, 0, bits);
	walk_tree(w, &w->meta.main, true);
}

static void
walk_run(struct walk *w, uint64_t txnid)
{
	bool found;

	if (w->bytes == 0) {
		walk_report(w, 0, "the file is empty");
		return;
	}
	found = walk_choose_meta(w, txnid);
	if (w->error != 0)
		return;
	if (!found) {
		w->psize = walk_guess_psize(w);
		w->meta.last_pgno = MDBPAGE_PGNO_MAX;
		if (w->psize == 0)
			return;
	}
	if (!walk_alloc(w))
		return;
	if (found)
		walk_trees(w);
	walk_sweep(w);
}

int
mdbfile_walk(int fd, uint64_t txnid, size_t value_max,
    const struct mdbfile_hooks *hooks)
{
	struct walk w = { .fd = fd, .hooks = hooks, .value_max = value_max };
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	w.bytes = (uint64_t)st.st_size;
	walk_run(&w, txnid);
	walk_free(&w);
	if (w.error == 0)
		return w.found == 0 ? MDBFILE_SOUND : MDBFILE_DAMAGED;
	errno = w.error;
	return -1;
}
