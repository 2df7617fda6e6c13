/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "wsframe.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

#define WSFRAME_FIN       0x80
#define WSFRAME_RSV       0x70
#define WSFRAME_OPCODE    0x0f
#define WSFRAME_MASKED    0x80
#define WSFRAME_LENGTH    0x7f
#define WSFRAME_LENGTH_16 126
#define WSFRAME_LENGTH_64 127
#define WSFRAME_BUF_MIN   256 /* bytes */

/* A frame's header, decoded. */
struct wsframe_head {
	uint64_t len; /* of the payload */
	size_t size;  /* of the header itself */
	uint8_t opcode;
	bool fin;
	uint8_t mask[4];
};

void
wsframe_init(struct wsframe_decoder *d, enum wsframe_role role,
    size_t max_message)
{
	memset(d, 0, sizeof(*d));
	d->role = role;
	d->max_message = max_message;
}

static void
wsframe_drop_buf(struct wsframe_decoder *d)
{
	free(d->buf);
	d->buf = NULL;
	d->buf_len = d->buf_size = 0;
}

void
wsframe_done(struct wsframe_decoder *d)
{
	wsframe_drop_buf(d);
}

static enum wsframe_result
wsframe_fail(struct wsframe_decoder *d, uint16_t code, const char *reason)
{
	d->failed = true;
	d->close_code = code;
	d->reason = reason;
	d->payload = NULL;
	d->payload_len = 0;
	wsframe_drop_buf(d);
	return WSFRAME_ERROR;
}

void
wsframe_mask(uint8_t *p, size_t len, const uint8_t mask[4], size_t pos)
{
	uint8_t turned[4];
	uint64_t key, word;
	uint32_t half;
	size_t i;

	/* Byte by byte only if it must be: the load below would wait for it. */
	memcpy(turned, mask, sizeof(turned));
	for (i = 0; pos % 4 != 0 && i < sizeof(turned); i++)
		turned[i] = mask[(pos + i) % 4];
	memcpy(&half, turned, sizeof(half));
	key = (uint64_t)half << 32 | half;
	for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		word ^= key;
		memcpy(p + i, &word, sizeof(word));
	}
	for (; i < len; i++)
		p[i] ^= turned[i % 4];
}

static bool
wsframe_is_control(uint8_t opcode)
{
	return (opcode & 0x8) != 0;
}

/* Big-endian number of SIZE bytes. */
static uint64_t
wsframe_number(const uint8_t *p, size_t size)
{
	uint64_t n = 0;

	while (size-- > 0)
		n = n << 8 | *p++;
	return n;
}

/*
 * Read a header from LEN bytes: 1 when it is whole, 0 when it is not, and
 * what can be told is right so far.  The length is checked by the caller.
 */
static int
wsframe_read_head(const uint8_t *p, size_t len, struct wsframe_head *h)
{
	size_t extra = 0, mask;

	if (len < 2)
		return 0;
	h->fin = (p[0] & WSFRAME_FIN) != 0;
	h->opcode = p[0] & WSFRAME_OPCODE;
	h->len = p[1] & WSFRAME_LENGTH;
	if (h->len == WSFRAME_LENGTH_16)
		extra = 2;
	else if (h->len == WSFRAME_LENGTH_64)
		extra = 8;
	mask = p[1] & WSFRAME_MASKED ? 4 : 0;
	h->size = 2 + extra + mask;
	if (len < h->size)
		return 0;
	if (extra > 0)
		h->len = wsframe_number(p + 2, extra);
	if (mask > 0)
		memcpy(h->mask, p + 2 + extra, 4);
	else
		memset(h->mask, 0, 4);
	return 1;
}

/* What is wrong with the first two bytes of a frame, or NULL. */
static const char *
wsframe_first_fault(const struct wsframe_decoder *d, const uint8_t *p)
{
	bool masked = (p[1] & WSFRAME_MASKED) != 0;
	uint8_t opcode = p[0] & WSFRAME_OPCODE;

	if (p[0] & WSFRAME_RSV)
		return "reserved bit set";
	if (masked != (d->role == WSFRAME_SERVER))
		return masked ? "masked frame from a server" :
				"unmasked frame from a client";
	if (opcode > WSFRAME_PONG ||
	    (opcode > WSFRAME_BINARY && opcode < WSFRAME_CLOSE))
		return "reserved opcode";
	if (wsframe_is_control(opcode)) {
		if (!(p[0] & WSFRAME_FIN))
			return "fragmented control frame";
		if ((p[1] & WSFRAME_LENGTH) > WSFRAME_CONTROL_MAX)
			return "control frame too long";
		return NULL;
	}
	if (opcode == WSFRAME_CONTINUATION && d->message_opcode == 0)
		return "continuation of nothing";
	if (opcode != WSFRAME_CONTINUATION && d->message_opcode != 0)
		return "new message inside a fragmented one";
	return NULL;
}

/* The same for the length, once it has been read. */
static const char *
wsframe_length_fault(const uint8_t *p, const struct wsframe_head *h)
{
	unsigned int form = p[1] & WSFRAME_LENGTH;

	if (form == WSFRAME_LENGTH_16 && h->len < WSFRAME_LENGTH_16)
		return "length not minimal";
	if (form == WSFRAME_LENGTH_64 && h->len <= UINT16_MAX)
		return "length not minimal";
	if (h->len >> 63)
		return "length has its highest bit set";
	return NULL;
}

bool
wsframe_close_code_valid(unsigned int code)
{
	if (code >= 3000 && code <= 4999)
		return true;
	return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
	       code != 1006;
}

static enum wsframe_result
wsframe_take_close(struct wsframe_decoder *d)
{
	unsigned int code;

	d->close_code = WSFRAME_NO_STATUS;
	if (d->payload_len == 0)
		return WSFRAME_CONTROL;
	if (d->payload_len == 1)
		return wsframe_fail(d, WSFRAME_PROTOCOL_ERROR,
		    "close payload of one byte");
	code = (unsigned int)wsframe_number(d->payload, 2);
	if (!wsframe_close_code_valid(code))
		return wsframe_fail(d, WSFRAME_PROTOCOL_ERROR,
		    "close code that must not be sent");
	if (!utf8_valid(d->payload + 2, d->payload_len - 2))
		return wsframe_fail(d, WSFRAME_INVALID_DATA,
		    "close reason is not UTF-8");
	d->close_code = (uint16_t)code;
	return WSFRAME_CONTROL;
}

static enum wsframe_result
wsframe_take_control(struct wsframe_decoder *d, const struct wsframe_head *h,
    uint8_t *bytes, size_t len, size_t *used)
{
	uint8_t *payload = bytes + h->size;

	if (len < h->size + h->len)
		return WSFRAME_MORE;
	if (d->role == WSFRAME_SERVER)
		wsframe_mask(payload, (size_t)h->len, h->mask, 0);
	d->opcode = h->opcode;
	d->payload = payload;
	d->payload_len = (size_t)h->len;
	*used = h->size + d->payload_len;
	return h->opcode == WSFRAME_CLOSE ? wsframe_take_close(d) :
					    WSFRAME_CONTROL;
}

/* Have room for EXTRA bytes more; the message limit is already kept. */
static bool
wsframe_grow(struct wsframe_decoder *d, size_t extra)
{
	size_t want = d->buf_len + extra, size;
	uint8_t *buf;

	if (want <= d->buf_size)
		return true;
	size = d->buf_size == 0 ? WSFRAME_BUF_MIN : d->buf_size;
	while (size < want)
		size *= 2;
	if (size > d->max_message)
		size = d->max_message;
	buf = realloc(d->buf, size);
	if (buf == NULL)
		return false;
	d->buf = buf;
	d->buf_size = size;
	return true;
}

/* The message of PAYLOAD is whole. */
static enum wsframe_result
wsframe_deliver(struct wsframe_decoder *d, const uint8_t *payload, size_t len)
{
	static const uint8_t nothing[1];

	if (d->message_opcode == WSFRAME_TEXT && !utf8_complete(&d->utf8))
		return wsframe_fail(d, WSFRAME_INVALID_DATA,
		    "text ends inside a character");
	d->opcode = d->message_opcode;
	d->payload = payload == NULL ? nothing : payload;
	d->payload_len = len;
	d->message_opcode = 0;
	return WSFRAME_MESSAGE;
}

static bool
wsframe_check_text(struct wsframe_decoder *d, const uint8_t *p, size_t len)
{
	return d->message_opcode != WSFRAME_TEXT || utf8_feed(&d->utf8, p, len);
}

/* Go on with the payload of the data frame that is under way. */
static enum wsframe_result
wsframe_take_piece(struct wsframe_decoder *d, uint8_t *p, size_t len,
    size_t *used)
{
	size_t n = d->frame_left < len ? (size_t)d->frame_left : len;

	if (d->role == WSFRAME_SERVER)
		wsframe_mask(p, n, d->mask, d->mask_pos);
	d->mask_pos = (uint8_t)((d->mask_pos + n) % 4);
	*used += n;
	if (!wsframe_check_text(d, p, n))
		return wsframe_fail(d, WSFRAME_INVALID_DATA,
		    "text is not UTF-8");
	if (!wsframe_grow(d, n))
		return wsframe_fail(d, WSFRAME_INTERNAL, "no memory");
	if (n > 0)
		memcpy(d->buf + d->buf_len, p, n);
	d->buf_len += n;
	d->frame_left -= n;
	if (d->frame_left > 0)
		return WSFRAME_MORE;
	d->in_frame = false;
	return d->fin ? wsframe_deliver(d, d->buf, d->buf_len) : WSFRAME_MORE;
}

/* A whole message in one frame that lies in the caller's bytes. */
static enum wsframe_result
wsframe_take_whole(struct wsframe_decoder *d, const struct wsframe_head *h,
    uint8_t *payload, size_t *used)
{
	size_t len = (size_t)h->len;

	if (d->role == WSFRAME_SERVER)
		wsframe_mask(payload, len, h->mask, 0);
	*used = h->size + len;
	if (!wsframe_check_text(d, payload, len))
		return wsframe_fail(d, WSFRAME_INVALID_DATA,
		    "text is not UTF-8");
	return wsframe_deliver(d, payload, len);
}

static enum wsframe_result
wsframe_take_data(struct wsframe_decoder *d, const struct wsframe_head *h,
    uint8_t *bytes, size_t len, size_t *used)
{
	bool first = h->opcode != WSFRAME_CONTINUATION;

	if (h->len > d->max_message - d->buf_len)
		return wsframe_fail(d, WSFRAME_TOO_BIG, "message too big");
	if (first) {
		d->message_opcode = h->opcode;
		memset(&d->utf8, 0, sizeof(d->utf8));
	}
	if (first && h->fin && len - h->size >= h->len)
		return wsframe_take_whole(d, h, bytes + h->size, used);
	d->in_frame = true;
	d->fin = h->fin;
	d->frame_left = h->len;
	memcpy(d->mask, h->mask, sizeof(d->mask));
	d->mask_pos = 0;
	*used = h->size;
	return wsframe_take_piece(d, bytes + h->size, len - h->size, used);
}

/* Decode one frame, or a piece of one. */
static enum wsframe_result
wsframe_step(struct wsframe_decoder *d, uint8_t *bytes, size_t len,
    size_t *used)
{
	struct wsframe_head h;
	const char *fault;

	*used = 0;
	if (d->in_frame)
		return wsframe_take_piece(d, bytes, len, used);
	if (len < 2)
		return WSFRAME_MORE;
	fault = wsframe_first_fault(d, bytes);
	if (fault == NULL && wsframe_read_head(bytes, len, &h) == 0)
		return WSFRAME_MORE;
	if (fault == NULL)
		fault = wsframe_length_fault(bytes, &h);
	if (fault != NULL)
		return wsframe_fail(d, WSFRAME_PROTOCOL_ERROR, fault);
	if (wsframe_is_control(h.opcode))
		return wsframe_take_control(d, &h, bytes, len, used);
	return wsframe_take_data(d, &h, bytes, len, used);
}

enum wsframe_result
wsframe_decode(struct wsframe_decoder *d, uint8_t *bytes, size_t len,
    size_t *used)
{
	enum wsframe_result result;
	size_t n;

	*used = 0;
	if (d->failed)
		return WSFRAME_ERROR;
	/* The message that was in it has been used by now. */
	if (d->message_opcode == 0 && d->buf != NULL)
		wsframe_drop_buf(d);
	/* Then BYTES may be NULL, to which nothing can be added. */
	if (len == 0)
		return WSFRAME_MORE;
	do {
		result = wsframe_step(d, bytes + *used, len - *used, &n);
		*used += n;
	} while (result == WSFRAME_MORE && n > 0);
	return result;
}

size_t
wsframe_header(uint8_t *out, enum wsframe_opcode opcode, uint64_t len,
    const uint8_t *mask)
{
	size_t size = 2, extra = 0, i;

	out[0] = (uint8_t)(WSFRAME_FIN | opcode);
	if (len < WSFRAME_LENGTH_16) {
		out[1] = (uint8_t)len;
	} else {
		extra = len <= UINT16_MAX ? 2 : 8;
		out[1] = extra == 2 ? WSFRAME_LENGTH_16 : WSFRAME_LENGTH_64;
	}
	for (i = 0; i < extra; i++)
		out[size++] = (uint8_t)(len >> 8 * (extra - 1 - i));
	if (mask != NULL) {
		out[1] |= WSFRAME_MASKED;
		memcpy(out + size, mask, 4);
		size += 4;
	}
	return size;
}

size_t
wsframe_close_payload(uint8_t *out, uint16_t code, const char *reason)
{
	size_t len = reason == NULL ? 0 : strlen(reason);

	CHECK(wsframe_close_code_valid(code));
	out[0] = (uint8_t)(code >> 8);
	out[1] = (uint8_t)code;
	if (len > WSFRAME_CONTROL_MAX - 2)
		len = WSFRAME_CONTROL_MAX - 2;
	/* Back to where a character ends. */
	while (len > 0 && !utf8_valid(reason, len))
		len--;
	if (len > 0)
		memcpy(out + 2, reason, len);
	return 2 + len;
}
