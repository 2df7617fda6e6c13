/* SPDX-License-Identifier: ISC */
/*
 * urlenc - percent-encoding (RFC 3986 2.1) and what is built on it: queries
 * and application/x-www-form-urlencoded bodies (WHATWG URL 5.1).
 * Pure: bytes in, result out.
 */
#ifndef MPUSHD_URLENC_H
#define MPUSHD_URLENC_H

#include <stdbool.h>
#include <stddef.h>

struct fields;

/* The value of a hexadecimal digit, or -1. */
int urlenc_hex(char);

/*
 * Decode LEN bytes of SRC to DST, which has room for LEN bytes and may be SRC.
 * A '%' that no two hex digits follow stays; with PLUS a '+' is a space.
 * Returns the bytes written.
 */
size_t urlenc_decode(char *dst, const char *src, size_t len, bool plus);

/*
 * Set from "name=value&..." the fields that are not set yet; the first of a
 * repeated name counts, a name without '=' is an empty field.  TEXT stays the
 * caller's.  Returns 0, or -1 with errno ENOMEM.
 */
int urlenc_parse(const char *text, size_t len, struct fields *);

#endif
