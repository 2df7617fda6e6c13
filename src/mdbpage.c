/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "mdbpage.h"

#include <string.h>

#define META_MAGIC   0xBEEFC0DEu
#define META_VERSION 1u
#define MAP_SIZE_MAX ((uint64_t)1 << 48)

/* Offsets in a page. */
#define AT_FLAGS 10u
#define AT_LOWER 12u
#define AT_UPPER 14u
#define AT_PAGES 12u
#define AT_META  16u

/* Offsets in a node. */
#define NODE_FLAGS 4u
#define NODE_KSIZE 6u
#define NODE_HEAD  8u

#define DB_INTEGERKEY    0x08u
#define ENV_NOSUBDIR     0x4000u
#define NODE_BIGDATA     0x01u
#define OFFSET_IS_FLAWED 1u /* true offsets are even */

/* LMDB's integers are as long as the machine's words. */
_Static_assert(sizeof(size_t) == 8, "the store needs a 64-bit machine");

static uint16_t
mdbpage_get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint32_t
mdbpage_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static uint64_t
mdbpage_get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static bool
mdbpage_valid_size(uint32_t n)
{
	return n >= MDBPAGE_SIZE_MIN && n <= MDBPAGE_SIZE_MAX &&
	       (n & (n - 1)) == 0;
}

static void
mdbpage_read_db(struct mdbpage_db *db, const uint8_t *p)
{
	db->pad = mdbpage_get32(p);
	db->flags = mdbpage_get16(p + 4);
	db->depth = mdbpage_get16(p + 6);
	db->branch_pages = mdbpage_get64(p + 8);
	db->leaf_pages = mdbpage_get64(p + 16);
	db->overflow_pages = mdbpage_get64(p + 24);
	db->entries = mdbpage_get64(p + 32);
	db->root = mdbpage_get64(p + 40);
}

bool
mdbpage_db_valid(const struct mdbpage_db *db, uint64_t last_pgno)
{
	if (db->root == MDBPAGE_NO_ROOT)
		return db->depth == 0 && db->branch_pages == 0 &&
		       db->leaf_pages == 0 && db->overflow_pages == 0 &&
		       db->entries == 0;
	return db->root >= 2 && db->root <= last_pgno && db->depth >= 1 &&
	       db->depth <= MDBPAGE_DEPTH;
}

/* What LMDB would stumble over, or write on, but the trees do not need. */
static const char *
mdbpage_find_meta_flaw(const struct mdbpage_meta *m, const uint8_t *p)
{
	uint64_t mapsize = mdbpage_get64(p + 16);
	bool empty = m->main.root == MDBPAGE_NO_ROOT;

	if (mdbpage_get64(p + 8) != 0)
		return "asks for a fixed address";
	if (mapsize / m->psize <= m->last_pgno || mapsize > MAP_SIZE_MAX)
		return "has a map size that cannot be";
	if ((m->free.flags & ~ENV_NOSUBDIR) != DB_INTEGERKEY)
		return "has wrong flags of the free list";
	if (m->main.pad != 0)
		return "has a value size of the database";
	if (m->main.flags != DB_INTEGERKEY && !(empty && m->main.flags == 0))
		return "has wrong flags of the database";
	return NULL;
}

static const char *
mdbpage_check_meta_head(const struct mdbpage_meta *m, const uint8_t *bytes,
    unsigned which)
{
	if (mdbpage_read_pgno(bytes) != which ||
	    mdbpage_get16(bytes + AT_FLAGS) != MDBPAGE_IS_META)
		return "is not a meta page";
	if (mdbpage_get32(bytes + AT_META) != META_MAGIC)
		return "is not of LMDB";
	if (mdbpage_get32(bytes + AT_META + 4) != META_VERSION)
		return "is of another version of LMDB";
	if (m->psize == 0)
		return "has a page size that cannot be";
	return NULL;
}

const char *
mdbpage_read_meta(struct mdbpage_meta *m, const uint8_t *bytes, unsigned which)
{
	const uint8_t *p = bytes + AT_META;
	const char *what;

	mdbpage_read_db(&m->free, p + 24);
	mdbpage_read_db(&m->main, p + 72);
	m->last_pgno = mdbpage_get64(p + 120);
	m->txnid = mdbpage_get64(p + 128);
	m->psize = mdbpage_valid_size(m->free.pad) ? m->free.pad : 0;
	m->flaw = NULL;
	m->dated = false;
	what = mdbpage_check_meta_head(m, bytes, which);
	if (what != NULL)
		return what;
	/* Transactions take turns; a new file has two pages of none. */
	if (m->txnid != 0 && (m->txnid & 1) != which)
		return "has a transaction of the other meta page";
	m->dated = true;
	if (m->last_pgno < 1 || m->last_pgno > MDBPAGE_PGNO_MAX)
		return "has a last page that cannot be";
	if (!mdbpage_db_valid(&m->main, m->last_pgno))
		return "has a root that cannot be";
	m->flaw = mdbpage_find_meta_flaw(m, p);
	return NULL;
}

uint64_t
mdbpage_read_pgno(const uint8_t *bytes)
{
	return mdbpage_get64(bytes);
}

uint64_t
mdbpage_count_overflow(uint32_t psize, uint64_t len)
{
	return (MDBPAGE_HEADER - 1 + len) / psize + 1;
}

uint32_t
mdbpage_read_overflow(const uint8_t *bytes, uint64_t pgno)
{
	if (mdbpage_read_pgno(bytes) != pgno ||
	    mdbpage_get16(bytes + AT_FLAGS) != MDBPAGE_IS_OVERFLOW)
		return 0;
	return mdbpage_get32(bytes + AT_PAGES);
}

/* Where offset I of a page is. */
static uint32_t
mdbpage_slot(unsigned i)
{
	return MDBPAGE_HEADER + 2 * i;
}

static uint32_t
mdbpage_get_offset(const struct mdbpage *p, unsigned i)
{
	return mdbpage_get16(p->bytes + mdbpage_slot(i));
}

static void
mdbpage_set_offset(struct mdbpage *p, unsigned i, uint32_t offset)
{
	uint16_t v = (uint16_t)offset;

	memcpy(p->bytes + mdbpage_slot(i), &v, sizeof v);
}

/* The bytes of the node at AT, of which the head is inside the page. */
static uint64_t
mdbpage_measure_node(const struct mdbpage *p, uint32_t at)
{
	const uint8_t *n = p->bytes + at;
	uint64_t bytes = NODE_HEAD + (uint64_t)mdbpage_get16(n + NODE_KSIZE);

	if (p->leaf && mdbpage_get16(n + NODE_FLAGS) == NODE_BIGDATA)
		bytes += sizeof(uint64_t);
	else if (p->leaf)
		bytes += mdbpage_get32(n);
	return (bytes + 1) & ~(uint64_t)1;
}

/* The first node of a branch stands for all that is lower; it has no key. */
static bool
mdbpage_key_fits(const struct mdbpage *p, uint32_t at, unsigned i)
{
	uint16_t ksize = mdbpage_get16(p->bytes + at + NODE_KSIZE);

	return ksize == 8 || (ksize == 0 && i == 0 && !p->leaf);
}

/* What makes node I unreadable, or NULL. */
static const char *
mdbpage_find_node_fault(const struct mdbpage *p, unsigned i, uint32_t low)
{
	uint32_t at = mdbpage_get_offset(p, i);

	if ((at & 1) != 0 || at < low || at + NODE_HEAD > p->size)
		return "lies outside the page";
	if (!mdbpage_key_fits(p, at, i))
		return "has a key that is not of eight bytes";
	if (p->leaf &&
	    (mdbpage_get16(p->bytes + at + NODE_FLAGS) & ~NODE_BIGDATA) != 0)
		return "has flags that cannot be";
	if (at + mdbpage_measure_node(p, at) > p->size)
		return "ends outside the page";
	return NULL;
}

static const char *
mdbpage_check_head(struct mdbpage *p, uint64_t pgno)
{
	uint32_t lower = mdbpage_get16(p->bytes + AT_LOWER);
	uint32_t upper = mdbpage_get16(p->bytes + AT_UPPER);
	uint32_t kind = p->leaf ? MDBPAGE_IS_LEAF : MDBPAGE_IS_BRANCH;

	p->count = 0;
	if (mdbpage_read_pgno(p->bytes) != pgno)
		return "has the number of another page";
	if (mdbpage_get16(p->bytes + AT_FLAGS) != kind)
		return p->leaf ? "is not a leaf page" : "is not a branch page";
	if (lower <= MDBPAGE_HEADER || ((lower | upper) & 1) != 0 ||
	    upper < lower || upper > p->size)
		return "has bounds that cannot be";
	p->count = (lower - MDBPAGE_HEADER) / 2;
	return NULL;
}

static void
mdbpage_note(struct mdbpage_fault *f, const char *what, int node)
{
	if (f->what != NULL)
		return;
	f->what = what;
	f->node = node;
}

/* Strike out what cannot be read; mark in STARTS where the others begin. */
static void
mdbpage_check_nodes(struct mdbpage *p, uint8_t *starts,
    struct mdbpage_fault *fault)
{
	uint32_t low = mdbpage_slot(p->count);
	const char *what;
	unsigned i;

	for (i = 0; i < p->count; i++) {
		what = mdbpage_find_node_fault(p, i, low);
		if (what == NULL) {
			starts[mdbpage_get_offset(p, i) / 2] = 1;
			continue;
		}
		mdbpage_note(fault, what, (int)i);
		mdbpage_set_offset(p, i, 0);
	}
}

/*
 * LMDB leaves no hole between nodes.  So a node that does not end where the
 * next begins has a wrong length, or a wrong neighbour.
 */
static void
mdbpage_check_extents(struct mdbpage *p, const uint8_t *starts,
    struct mdbpage_fault *fault)
{
	const uint8_t *next, *end;
	uint32_t at;
	unsigned i;

	for (i = 0; i < p->count; i++) {
		at = mdbpage_get_offset(p, i);
		if (at == 0)
			continue;
		next = starts + at / 2 + 1;
		next = memchr(next, 1, p->size / 2 - at / 2);
		end = starts + (at + mdbpage_measure_node(p, at)) / 2;
		if (next == end)
			continue;
		mdbpage_note(fault, "does not end where the next begins",
		    (int)i);
		mdbpage_set_offset(p, i, at | OFFSET_IS_FLAWED);
	}
}

enum mdbpage_verdict
mdbpage_check(struct mdbpage *p, uint64_t pgno, uint8_t *scratch,
    struct mdbpage_fault *fault)
{
	uint32_t upper = mdbpage_get16(p->bytes + AT_UPPER);

	fault->what = mdbpage_check_head(p, pgno);
	fault->node = -1;
	if (fault->what != NULL)
		return MDBPAGE_WRONG;
	memset(scratch, 0, p->size / 2);
	scratch[p->size / 2] = 1;
	mdbpage_check_nodes(p, scratch, fault);
	mdbpage_check_extents(p, scratch, fault);
	if (memchr(scratch, 1, p->size / 2 + 1) == scratch + upper / 2)
		return fault->what == NULL ? MDBPAGE_SOUND : MDBPAGE_FLAWED;
	/* Either bound may be wrong, and with the lower the count. */
	mdbpage_note(fault, "has nodes that do not begin at its bound", -1);
	return MDBPAGE_WRONG;
}

void
mdbpage_guess(struct mdbpage *p)
{
	uint16_t kind = mdbpage_get16(p->bytes + AT_FLAGS);
	uint32_t lowest = p->size, at, low;
	unsigned i;

	p->count = 0;
	if (kind == MDBPAGE_IS_BRANCH || kind == MDBPAGE_IS_OVERFLOW ||
	    kind == MDBPAGE_IS_META)
		return;
	for (i = 0; mdbpage_slot(i + 1) <= lowest; i++) {
		at = mdbpage_get_offset(p, i) & ~OFFSET_IS_FLAWED;
		mdbpage_set_offset(p, i, at);
		low = mdbpage_slot(i + 1);
		if (mdbpage_find_node_fault(p, i, low) != NULL) {
			mdbpage_set_offset(p, i, 0);
			continue;
		}
		if (at < lowest)
			lowest = at;
		mdbpage_set_offset(p, i, at | OFFSET_IS_FLAWED);
	}
	p->count = i;
}

enum mdbpage_verdict
mdbpage_read_node(const struct mdbpage *p, unsigned i,
    struct mdbpage_node *node)
{
	uint32_t offset = mdbpage_get_offset(p, i);
	uint32_t at = offset & ~OFFSET_IS_FLAWED;
	const uint8_t *n = p->bytes + at;
	uint16_t flags, ksize;

	memset(node, 0, sizeof *node);
	if (at == 0)
		return MDBPAGE_WRONG;
	node->at = at;
	flags = mdbpage_get16(n + NODE_FLAGS);
	ksize = mdbpage_get16(n + NODE_KSIZE);
	if (ksize != 0)
		node->key = mdbpage_get64(n + NODE_HEAD);
	if (!p->leaf) {
		node->page = mdbpage_get32(n) | (uint64_t)flags << 32;
	} else {
		node->len = mdbpage_get32(n);
		node->value = n + NODE_HEAD + ksize;
	}
	if (p->leaf && flags == NODE_BIGDATA) {
		node->page = mdbpage_get64(node->value);
		node->value = NULL;
	}
	return offset == at ? MDBPAGE_SOUND : MDBPAGE_FLAWED;
}
