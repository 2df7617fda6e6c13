/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "record.h"

#include <endian.h>
#include <sodium/crypto_shorthash.h>
#include <string.h>

#include "check.h"
#include "proto.h"

/* Where the parts of the header begin. */
#define RECORD_AT_SUM  0
#define RECORD_AT_KIND 8
#define RECORD_AT_MARK 9
#define RECORD_AT_ID   10
#define RECORD_AT_TEXT 12
#define RECORD_AT_MID  16
#define RECORD_AT_TIME 24

#define RECORD_MARK_COLLAPSE 1 /* the hash of a collapse key is before the id */

size_t
record_size(const struct record *r)
{
	return RECORD_HEADER + (r->collapse != 0 ? RECORD_COLLAPSE : 0) +
	       r->id_len + r->text_len;
}

static void
record_put64(uint8_t *at, uint64_t n)
{
	n = htole64(n);
	memcpy(at, &n, sizeof(n));
}

static uint64_t
record_get64(const uint8_t *at)
{
	uint64_t n;

	memcpy(&n, at, sizeof(n));
	return le64toh(n);
}

/*
 * SipHash-2-4 with the record's key for its key: not against an enemy, who
 * could write the file anew, but against disks.
 */
static uint64_t
record_sum(uint64_t key, const uint8_t *value, size_t len)
{
	uint8_t sip[crypto_shorthash_KEYBYTES] = { 0 };
	uint8_t out[crypto_shorthash_BYTES];

	record_put64(sip, key);
	crypto_shorthash(out, value + RECORD_AT_KIND, len - RECORD_AT_KIND,
	    sip);
	return record_get64(out);
}

void
record_write(void *out, uint64_t key, const struct record *r)
{
	uint16_t id_len = htole16((uint16_t)r->id_len);
	uint32_t text_len = htole32((uint32_t)r->text_len);
	uint8_t *p = out, *at = p + RECORD_HEADER;

	CHECK(r->id_len <= PROTO_ID_MAX && r->text_len <= RECORD_TEXT_MAX);
	p[RECORD_AT_KIND] = (uint8_t)r->kind;
	p[RECORD_AT_MARK] = r->collapse != 0 ? RECORD_MARK_COLLAPSE : 0;
	memcpy(p + RECORD_AT_ID, &id_len, sizeof(id_len));
	memcpy(p + RECORD_AT_TEXT, &text_len, sizeof(text_len));
	record_put64(p + RECORD_AT_MID, r->mid);
	record_put64(p + RECORD_AT_TIME, r->time);
	if (r->collapse != 0) {
		record_put64(at, r->collapse);
		at += RECORD_COLLAPSE;
	}
	memcpy(at, r->id, r->id_len);
	if (r->text_len > 0)
		memcpy(at + r->id_len, r->text, r->text_len);
	record_put64(p + RECORD_AT_SUM, record_sum(key, p, record_size(r)));
}

static bool
record_kind_known(const struct record *r)
{
	switch (r->kind) {
	case RECORD_HEAD:
	case RECORD_MESSAGE:
	case RECORD_DEVICE:
		return true;
	}
	return false;
}

/* Read the hash of the collapse key, if the record is marked to have one. */
static bool
record_read_collapse(struct record *r, const uint8_t *p, size_t len)
{
	r->collapse = 0;
	if (p[RECORD_AT_MARK] == 0)
		return true;
	if (p[RECORD_AT_MARK] != RECORD_MARK_COLLAPSE ||
	    len < RECORD_HEADER + RECORD_COLLAPSE)
		return false;
	r->collapse = record_get64(p + RECORD_HEADER);
	return r->collapse != 0;
}

bool
record_read(struct record *r, uint64_t key, const void *value, size_t len)
{
	const uint8_t *p = value;
	uint16_t id_len;
	uint32_t text_len;

	if (len < RECORD_HEADER || len > RECORD_SIZE_MAX)
		return false;
	if (record_get64(p + RECORD_AT_SUM) != record_sum(key, p, len))
		return false;
	if (!record_read_collapse(r, p, len))
		return false;
	memcpy(&id_len, p + RECORD_AT_ID, sizeof(id_len));
	memcpy(&text_len, p + RECORD_AT_TEXT, sizeof(text_len));
	r->kind = p[RECORD_AT_KIND];
	r->id = (const char *)p + RECORD_HEADER +
		(r->collapse != 0 ? RECORD_COLLAPSE : 0);
	r->id_len = le16toh(id_len);
	r->text_len = le32toh(text_len);
	r->text = r->id + r->id_len;
	r->mid = record_get64(p + RECORD_AT_MID);
	r->time = record_get64(p + RECORD_AT_TIME);
	return record_kind_known(r) && record_size(r) == len &&
	       r->id_len <= PROTO_ID_MAX;
}
