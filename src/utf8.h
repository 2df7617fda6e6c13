/* SPDX-License-Identifier: ISC */
/*
 * utf8 - check and clean UTF-8 (RFC 3629: no surrogates, no overlong forms,
 * nothing above U+10FFFF).
 * Pure: any thread, no allocation, no I/O.
 */
#ifndef MPUSHD_UTF8_H
#define MPUSHD_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where an incremental check stands; all zero bytes is the start. */
struct utf8_state {
	uint8_t need; /* continuation bytes still to come */
	uint8_t lo;   /* least value of the next byte */
	uint8_t hi;   /* greatest value of the next byte */
};

/*
 * Check the next LEN bytes of a text that comes in pieces.  Returns false at
 * the first byte that cannot be (fail fast, RFC 6455 8.1); the state is then
 * spent.  Whether the text may end here: utf8_complete.
 */
bool utf8_feed(struct utf8_state *, const void *, size_t len);

/* True when the text fed so far ends on a whole character. */
bool utf8_complete(const struct utf8_state *);

/* True when LEN bytes are valid UTF-8 as a whole. */
bool utf8_valid(const void *, size_t len);

/*
 * Copy LEN bytes to DST as valid UTF-8 without U+0000: each maximal invalid
 * part (WHATWG/Unicode 3.9 "maximal subpart") and each U+0000 becomes U+FFFD.
 * DST has room for 3 * LEN bytes and does not overlap SRC.  Returns the number
 * of bytes written; no NUL is appended.
 */
size_t utf8_clean(char *dst, const void *src, size_t len);

#endif
