/* SPDX-License-Identifier: ISC */
/*
 * multipart - a multipart/form-data body to a title and a content (RFC 7578,
 * RFC 2046 5.1).  Lines may end in LF instead of CRLF; all else about
 * boundaries is strict.
 * Pure: bytes in, result out; time is linear.
 * Limits: a boundary of MULTIPART_BOUNDARY_MAX bytes (RFC 2046 5.1.1).
 */
#ifndef MPUSHD_MULTIPART_H
#define MPUSHD_MULTIPART_H

#include <stddef.h>

#define MULTIPART_BOUNDARY_MAX 70

struct fields;

/*
 * Set from the parts of a body the fields that are not set yet; the first of a
 * repeated name counts.  CONTENT_TYPE is the header with its boundary; both
 * arguments stay the caller's.  Returns 0; -1 with errno EBADMSG when there is
 * no usable boundary, no closing delimiter, a part without the end of its
 * header or a field in base64 or quoted-printable; or ENOMEM.
 */
int multipart_parse(const char *content_type, const char *body, size_t len,
    struct fields *);

#endif
