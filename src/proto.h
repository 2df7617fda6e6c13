/* SPDX-License-Identifier: ISC */
/*
 * proto - the texts of the mpush protocol: what the daemon says to a device
 * byte for byte, and what a device's reply names.
 * Pure: bytes in, result out.
 */
#ifndef MPUSHD_PROTO_H
#define MPUSHD_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTO_ID_MAX    256 /* bytes of a device id */
#define PROTO_LOGIN_MAX (PROTO_ID_MAX * 6 + 64)
#define PROTO_AUTH_OK                                                          \
	"{\"cmd\":\"AUTH\",\"data\":{\"code\":200,\"msg\":\"Successful "       \
	"authentication\"}}"
#define PROTO_AUTH_BAD                                                         \
	"{\"cmd\":\"AUTH\",\"data\":{\"code\":403,\"msg\":\"Token invalid\"}}"
#define PROTO_LIST_HEAD "{\"cmd\":\"MESSAGE\",\"data\":{\"msgList\":["
#define PROTO_LIST_TAIL "]}}"

/*
 * Why an id cannot be a device's, as a sentence for the peer, or NULL when it
 * can: 1 to 256 bytes of UTF-8, no control characters (C0, DEL, C1), not
 * beginning with "-/".
 */
const char *proto_id_fault(const char *id, size_t len);

/* Write {"cmd":"LOGIN","data":{"name":ID}} to OUT (PROTO_LOGIN_MAX bytes of room); returns its length. */
size_t proto_login(char *out, const char *id, size_t len);

/* Write {"cmd":"AUTH","data":{"code":CODE,"msg":MSG}} to OUT of SIZE bytes; MSG needs no escaping.  Returns its length. */
size_t proto_auth(char *out, size_t size, int code, const char *msg);

/*
 * Read what a device sent after its login.  When it is a SENDMSG_CB the mids
 * that it names, given as strings of digits or as JSON numbers, are written
 * to *MIDS, an array that the caller frees, and their count is returned;
 * what is not a mid is passed over.  0 with *MIDS NULL for anything else,
 * which is a sign of life and no error.
 */
size_t proto_parse_reply(const char *text, size_t len, uint64_t **mids);

#endif
