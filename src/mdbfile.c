/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "mdbfile.h"

#include <sys/stat.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mdbpage.h"
#include "mdbwalk.h"

#define PAGES_MAX     ((uint64_t)1 << 32)
#define BUDGET_FACTOR 16
#define GUESS_PAGES   256

/*
 * Pages that were used and freed again in one transaction may never have been
 * written: the file is shorter than the meta page says.  By this much, at
 * most, or we would keep bits for pages that nobody could have used.
 */
#define UNWRITTEN_MAX 65536

static bool
mdbfile_is_lost(const struct mdbwalk *w, uint64_t key)
{
	unsigned i;

	for (i = 0; i < w->lost_count; i++)
		if (key >= w->lost[i].lo && key <= w->lost[i].hi)
			return true;
	return false;
}

/* Salvage. */

/* Look for lost records in page PGNO, which is in no tree. */
static void
mdbfile_sweep_page(struct mdbwalk *w, uint64_t pgno)
{
	struct mdbpage p = { w->levels, w->psize, 0, true };
	struct mdbpage_fault fault;
	struct mdbpage_node node;
	unsigned i;

	if (!mdbwalk_read(w, pgno, p.bytes, w->psize) ||
	    mdbpage_check(&p, pgno, w->scratch, &fault) == MDBPAGE_WRONG)
		return;
	for (i = 0; i < p.count; i++)
		if (mdbpage_read_node(&p, i, &node) != MDBPAGE_WRONG &&
		    mdbfile_is_lost(w, node.key))
			mdbwalk_offer(w, &p, pgno, &node);
}

static void
mdbfile_sweep(struct mdbwalk *w)
{
	uint64_t pgno;

	if (w->lost_count == 0)
		return;
	for (pgno = 2; pgno < w->file_pages && w->error == 0; pgno++)
		if (!mdbwalk_has_bit(w->done, pgno))
			mdbfile_sweep_page(w, pgno);
}

/* Pages that the file does not have must be free. */
static void
mdbfile_check_end(struct mdbwalk *w)
{
	uint64_t pgno = w->file_pages > 2 ? w->file_pages : 2;

	for (; pgno <= w->meta.last_pgno; pgno++) {
		if (pgno < w->pages && mdbwalk_has_bit(w->used, pgno))
			continue;
		mdbwalk_report_page(w, pgno, 0,
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
mdbfile_read_meta(struct mdbwalk *w, struct metas *m, unsigned i,
    uint64_t offset)
{
	uint8_t bytes[MDBPAGE_META];
	ssize_t n = mdbwalk_pread(w, bytes, sizeof bytes, offset);

	m->meta[i].psize = 0;
	m->what[i] = "cannot be read";
	if (n == (ssize_t)sizeof bytes)
		m->what[i] = mdbpage_read_meta(&m->meta[i], bytes, i);
}

/*
 * The second meta page is where its own page size says: that is better
 * evidence of the page size than what the first says.
 */
static void
mdbfile_find_metas(struct mdbwalk *w, struct metas *m)
{
	uint32_t said, size;

	mdbfile_read_meta(w, m, 0, 0);
	said = m->meta[0].psize;
	if (said != 0)
		mdbfile_read_meta(w, m, 1, said);
	if (said != 0 && m->what[1] == NULL && m->meta[1].psize == said)
		return;
	for (size = MDBPAGE_SIZE_MIN; size <= MDBPAGE_SIZE_MAX; size *= 2) {
		mdbfile_read_meta(w, m, 1, size);
		if (m->what[1] != NULL || m->meta[1].psize != size)
			continue;
		if (m->what[0] == NULL)
			m->what[0] = "has a wrong page size";
		return;
	}
	if (said != 0)
		mdbfile_read_meta(w, m, 1, said);
	if (m->what[1] == NULL)
		m->what[1] = "has a wrong page size";
}

/* How many of the first pages have their number in their heads. */
static unsigned
mdbfile_count_fits(struct mdbwalk *w, uint32_t size)
{
	uint8_t head[MDBPAGE_HEADER];
	unsigned i, n = 0;

	for (i = 1; i < GUESS_PAGES; i++)
		if (mdbwalk_pread(w, head, sizeof head, (uint64_t)i * size) ==
			(ssize_t)sizeof head &&
		    mdbpage_read_pgno(head) == i)
			n++;
	return n;
}

/* The page size of a file without a meta page; 0 if it has no pages. */
static uint32_t
mdbfile_guess_psize(struct mdbwalk *w)
{
	uint32_t size, best = 0;
	unsigned n, most = 0;

	for (size = MDBPAGE_SIZE_MIN; size <= MDBPAGE_SIZE_MAX; size *= 2) {
		n = mdbfile_count_fits(w, size);
		if (n > most) {
			most = n;
			best = size;
		}
	}
	return best;
}

static void
mdbfile_report_meta(struct mdbwalk *w, const struct metas *m, unsigned i)
{
	uint64_t offset = i == 0 ? 0 : m->meta[0].psize;

	if (m->what[i] != NULL)
		mdbwalk_report(w, offset, "meta page %u %s", i, m->what[i]);
	else if (m->meta[i].flaw != NULL)
		mdbwalk_report(w, offset, "meta page %u %s", i,
		    m->meta[i].flaw);
}

static void
mdbfile_lose_all(struct mdbwalk *w)
{
	w->lost[0] = (struct mdbwalk_range){ 0, UINT64_MAX };
	w->lost_count = 1;
}

/*
 * When both pages know their transaction and one follows the other, only the
 * newer one counts.  What else the older has may be anything: when LMDB cannot
 * write a meta page, it puts no more than the old number back.
 */
static const struct mdbpage_meta *
mdbfile_pick_follower(struct mdbwalk *w, const struct metas *m)
{
	uint64_t a = m->meta[0].txnid, b = m->meta[1].txnid;
	unsigned newer = a < b;

	if (!m->meta[0].dated || !m->meta[1].dated ||
	    (a + 1 != b && b + 1 != a) || m->what[newer] != NULL)
		return NULL;
	mdbfile_report_meta(w, m, newer);
	return &m->meta[newer];
}

/* The meta page of the newest transaction, or NULL. */
static const struct mdbpage_meta *
mdbfile_pick_newest(struct mdbwalk *w, const struct metas *m)
{
	uint64_t a = m->meta[0].txnid, b = m->meta[1].txnid;
	const struct mdbpage_meta *follower = mdbfile_pick_follower(w, m);

	if (follower != NULL)
		return follower;

	mdbfile_report_meta(w, m, 0);
	mdbfile_report_meta(w, m, 1);
	if (m->what[0] != NULL || m->what[1] != NULL) {
		/* The other one may have been newer. */
		mdbfile_lose_all(w);
		if (m->what[0] != NULL && m->what[1] != NULL)
			return NULL;
		return &m->meta[m->what[0] != NULL];
	}
	if (a + 1 != b && b + 1 != a && (a | b) != 0) {
		mdbwalk_report(w, 0,
		    "the meta pages are of transactions %" PRIu64
		    " and %" PRIu64 ", which do not follow each other",
		    a, b);
		mdbfile_lose_all(w);
	}
	return &m->meta[a < b];
}

static const struct mdbpage_meta *
mdbfile_pick_txnid(struct mdbwalk *w, const struct metas *m, uint64_t txnid)
{
	unsigned i;

	for (i = 0; i < 2; i++) {
		if (m->what[i] != NULL || m->meta[i].txnid != txnid)
			continue;
		mdbfile_report_meta(w, m, i);
		return &m->meta[i];
	}
	if (w->error == 0)
		w->error = ENOENT;
	return NULL;
}

/* Find the transaction to read; false: there is none, or w->error is set. */
static bool
mdbfile_choose_meta(struct mdbwalk *w, uint64_t txnid)
{
	const struct mdbpage_meta *meta;
	struct metas m;

	mdbfile_find_metas(w, &m);
	if (w->error != 0)
		return false;
	if (txnid != 0)
		meta = mdbfile_pick_txnid(w, &m, txnid);
	else
		meta = mdbfile_pick_newest(w, &m);
	if (meta == NULL)
		return false;
	w->meta = *meta;
	w->psize = meta->psize;
	return true;
}

/* All memory that the walk needs; what is not touched costs none. */
static bool
mdbfile_alloc(struct mdbwalk *w)
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
mdbfile_free(struct mdbwalk *w)
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
mdbfile_trees(struct mdbwalk *w)
{
	size_t bits = (size_t)(w->pages / 8 + 1);

	if (mdbwalk_tree(w, &w->meta.free, false)) {
		mdbwalk_tree(w, &w->meta.main, true);
		mdbfile_check_end(w);
		return;
	}
	memset(w->used, 0, bits);
	memset(w->done, 0, bits);
	mdbwalk_tree(w, &w->meta.main, true);
}

static void
mdbfile_run(struct mdbwalk *w, uint64_t txnid)
{
	bool found;

	if (w->bytes == 0) {
		mdbwalk_report(w, 0, "the file is empty");
		return;
	}
	found = mdbfile_choose_meta(w, txnid);
	if (w->error != 0)
		return;
	if (!found) {
		w->psize = mdbfile_guess_psize(w);
		w->meta.last_pgno = MDBPAGE_PGNO_MAX;
		if (w->psize == 0)
			return;
	}
	if (!mdbfile_alloc(w))
		return;
	if (found)
		mdbfile_trees(w);
	mdbfile_sweep(w);
}

int
mdbfile_walk(int fd, uint64_t txnid, size_t value_max,
    const struct mdbfile_hooks *hooks)
{
	struct mdbwalk w = { .fd = fd, .hooks = hooks, .value_max = value_max };
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	w.bytes = (uint64_t)st.st_size;
	mdbfile_run(&w, txnid);
	mdbfile_free(&w);
	if (w.error == 0)
		return w.found == 0 ? MDBFILE_SOUND : MDBFILE_DAMAGED;
	errno = w.error;
	return -1;
}
