/* SPDX-License-Identifier: ISC */
/*
 * wire - the bytes of the protocol as a load generator needs them: requests
 * made by patching digits into a template, answers and frames read in place.
 * Pure: bytes in, bytes out; no I/O.
 *
 * It reads what a correct server sends, in the compact form of the protocol
 * description (title, content, mid), and reports anything else as an error;
 * it is not a general parser.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger.h"

#define WIRE_DEVICE_FORMAT "dev%06u" /* device id of a number */
#define WIRE_DEVICE_LEN    9
#define WIRE_DEVICE_MAX    1000000
#define WIRE_SIZE_MIN      32 /* bytes of title and content */
#define WIRE_SIZE_MAX      16384
#define WIRE_FRAME_MAX     60000 /* payload of a frame sent */

/* A push request; one template serves all pushes of a run. */
struct wire_request {
	char *bytes;
	size_t len;
	char *device_at, *seq_at; /* digits to patch */
	uint32_t run;             /* tells this run's messages apart */
	size_t content_len;
};

/* Make the template: title and content are SIZE bytes together. */
void wire_request_init(struct wire_request *, const char *host, uint32_t run,
    size_t size);

/* Patch in the addressee and the sequence number. */
void wire_request_set(struct wire_request *, uint32_t device, uint32_t seq);

/* Free the template. */
void wire_request_free(struct wire_request *);

/*
 * Read one answer.  Returns the bytes it took, 0 when it is not whole yet,
 * -1 when it is not one.
 */
ssize_t wire_answer_parse(const char *bytes, size_t len, enum answer *);

/* The WebSocket handshake's request, for HOST; returns its length. */
size_t wire_upgrade_build(char *out, size_t size, const char *host);

struct wire_frame {
	uint8_t opcode;
	const char *payload;
	size_t len;
};

/*
 * Read one frame of a server.  Returns the bytes it took, 0 when it is not
 * whole yet, -1 when a server may not send it or never needs to
 * (masked, reserved bits, fragments).
 */
ssize_t wire_frame_parse(const uint8_t *bytes, size_t len, struct wire_frame *);

/*
 * A text frame of a client under construction: wire_text_start, any number
 * of wire_text_add, wire_text_finish, which masks and returns the frame.
 */
struct wire_text {
	uint8_t buf[8 + WIRE_FRAME_MAX];
	size_t len; /* of the payload */
};

void wire_text_start(struct wire_text *);
void wire_text_add(struct wire_text *, const void *, size_t len);
uint8_t *wire_text_finish(struct wire_text *, size_t *len);

/* One message of a MESSAGE frame; pointers into the payload. */
struct wire_message {
	const char *content, *mid;
	size_t mid_len;
	uint64_t mid_value;
};

/*
 * Step to the next message: *POS is first the payload's start, CONTENT_LEN
 * what a message of this run has at least.  Returns 1; 0 when there are no
 * more; -1 when the text is not what the protocol says.
 */
int wire_message_next(const char **pos, const char *end, size_t content_len,
    struct wire_message *);

/* True, with *SEQ set, when the content is whole and of this run. */
bool wire_content_parse(const struct wire_request *, const char *content,
    uint32_t *seq);

#endif
