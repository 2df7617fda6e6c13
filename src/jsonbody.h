/* SPDX-License-Identifier: ISC */
/*
 * jsonbody - an application/json body to a title and a content (RFC 8259).
 * Pure: bytes in, result out.
 * Limits: nesting as deep as jansson reads (2048); memory for the tree of about
 * 64 MiB and eight times the body.
 */
#ifndef MPUSHD_JSONBODY_H
#define MPUSHD_JSONBODY_H

#include <jansson.h>
#include <stddef.h>

struct fields;

/*
 * Set from the members of a JSON object the fields that are not set yet; the
 * first of a repeated member counts.  A number or boolean becomes its text as
 * written, null the empty string, an array or object its compact text with its
 * members in the order of the source.  Bytes that are not UTF-8, lone
 * surrogates and U+0000 become U+FFFD.  JSON that is no object names nothing.
 * Returns 0; -1 with errno EBADMSG when the body is not JSON, E2BIG when it has
 * too many members and elements, or ENOMEM.
 */
int jsonbody_parse(const char *body, size_t len, struct fields *);

/*
 * The whole body, for who looks at more than its fields: what jsonbody_parse
 * takes is taken, with the same characters mended, but numbers as jansson
 * reads them, and of a repeated member the last counts.  The caller has the
 * reference.  NULL with errno EBADMSG when it is not JSON, or has a number
 * that jansson cannot hold, E2BIG or ENOMEM.
 */
json_t *jsonbody_load(const char *body, size_t len);

#endif
