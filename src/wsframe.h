/* SPDX-License-Identifier: ISC */
/*
 * wsframe - the frames of the WebSocket protocol (RFC 6455 sections 5 and 7),
 * for servers and clients.
 * Pure: bytes in, messages out; no I/O, no clock, no libevent.
 * Owns: the decoder's assembly buffer, which exists only while a message
 * arrives in pieces and is never larger than the message limit.
 */
#ifndef MPUSHD_WSFRAME_H
#define MPUSHD_WSFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "utf8.h"

#define WSFRAME_HEADER_MAX  14  /* bytes: 2 + 8 length + 4 mask */
#define WSFRAME_CONTROL_MAX 125 /* payload of a control frame, 5.5 */

enum wsframe_opcode {
	WSFRAME_CONTINUATION = 0x0,
	WSFRAME_TEXT = 0x1,
	WSFRAME_BINARY = 0x2,
	WSFRAME_CLOSE = 0x8,
	WSFRAME_PING = 0x9,
	WSFRAME_PONG = 0xa,
};

/* Close codes, RFC 6455 7.4.1 and the IANA registry. */
enum wsframe_close {
	WSFRAME_NORMAL = 1000,
	WSFRAME_GOING_AWAY = 1001,
	WSFRAME_PROTOCOL_ERROR = 1002,
	WSFRAME_NO_STATUS = 1005, /* never on the wire */
	WSFRAME_INVALID_DATA = 1007,
	WSFRAME_POLICY = 1008,
	WSFRAME_TOO_BIG = 1009,
	WSFRAME_INTERNAL = 1011,
	WSFRAME_TRY_AGAIN = 1013,
	WSFRAME_REPLACED = 4001, /* mpush: another connection took the id */
};

enum wsframe_role {
	WSFRAME_SERVER, /* decodes masked frames, sends unmasked */
	WSFRAME_CLIENT, /* the other way round */
};

/* What wsframe_decode found. */
enum wsframe_result {
	WSFRAME_MORE,    /* nothing whole yet: give more bytes */
	WSFRAME_MESSAGE, /* a text or binary message is complete */
	WSFRAME_CONTROL, /* a ping, pong or close frame is complete */
	WSFRAME_ERROR,   /* the peer broke the protocol: see close_code */
};

struct wsframe_decoder {
	/* Result of the last call; payload lives until the next call. */
	enum wsframe_opcode opcode; /* TEXT, BINARY, CLOSE, PING, PONG */
	const uint8_t *payload; /* unmasked; into the caller's bytes or buf */
	size_t payload_len;
	uint16_t close_code; /* of a CLOSE or an ERROR */
	const char *reason;  /* of an ERROR: static text for log and close */

	/* Private. */
	size_t max_message;
	uint8_t *buf;
	size_t buf_len, buf_size;
	uint64_t frame_left; /* payload bytes of the frame to come */
	uint8_t mask[4];
	uint8_t mask_pos;
	uint8_t message_opcode; /* 0 when no message is open */
	bool in_frame, fin, failed;
	enum wsframe_role role;
	struct utf8_state utf8;
};

/* Start a decoder; MAX_MESSAGE is the largest message in bytes, over all its fragments. */
void
wsframe_init(struct wsframe_decoder *, enum wsframe_role, size_t max_message);

/* Free what the decoder holds; safe on a zeroed decoder. */
void wsframe_done(struct wsframe_decoder *);

/*
 * Decode from LEN contiguous bytes, which are unmasked in place.  Sets *USED
 * to the bytes taken, which the caller drops after it has used the payload;
 * call again with what follows.  A message that lies whole in one frame in
 * the bytes given is returned without a copy; else pieces are collected.
 * Frame headers and control frames are taken only whole: with WSFRAME_MORE
 * and *USED short of LEN the caller comes again with at least one byte more
 * (WSFRAME_HEADER_MAX + WSFRAME_CONTROL_MAX contiguous bytes always suffice).
 *
 * Checked, each with its close code: reserved bits and opcodes, masking by
 * role, minimal lengths, length's top bit, control frames whole and short,
 * continuation order (1002); UTF-8 of text, across fragments, as early as it
 * can be told, and of a close reason (1007); the message limit, from the
 * header alone (1009); close payload of one byte and codes that must not be
 * sent (1002, 7.4).  Memory that cannot be had is 1011.  After WSFRAME_ERROR
 * every further call returns it again.
 */
enum wsframe_result wsframe_decode(struct wsframe_decoder *, uint8_t *bytes,
    size_t len, size_t *used);

/*
 * Write the header of one unfragmented frame to OUT (WSFRAME_HEADER_MAX bytes
 * of room).  MASK is NULL for a server, else the four bytes of the key, with
 * which the caller masks the payload (wsframe_mask).  Returns its length.
 */
size_t wsframe_header(uint8_t *out, enum wsframe_opcode, uint64_t len,
    const uint8_t *mask);

/* XOR LEN bytes with the key, from position POS of the payload on; 5.3. */
void wsframe_mask(uint8_t *, size_t len, const uint8_t mask[4], size_t pos);

/*
 * Write a close frame's payload to OUT (WSFRAME_CONTROL_MAX bytes of room):
 * the code and as much of REASON (UTF-8, may be NULL) as fits on a whole
 * character.  Returns its length.
 */
size_t wsframe_close_payload(uint8_t *out, uint16_t code, const char *reason);

/* True for codes that a peer may send in a close frame (7.4.1, 7.4.2, IANA). */
bool wsframe_close_code_valid(unsigned int code);

#endif
