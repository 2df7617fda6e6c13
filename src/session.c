/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "session.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "conf.h"
#include "conn.h"
#include "log.h"
#include "message.h"
#include "metrics.h"
#include "proto.h"
#include "worker.h"
#include "wsframe.h"

#define SESSION_COPY_MAX 4096  /* bytes of a message; more is referenced */
#define SESSION_FLAT_MAX 16384 /* bytes of a frame that is written flat */
#define SESSION_MID_MAX  20    /* digits of an uint64_t */

enum session_state {
	SESSION_TOKEN, /* a token is to come */
	SESSION_ID,    /* a device id is to come */
	SESSION_LOGIN, /* the broker is asked; input waits */
	SESSION_OPEN,
	SESSION_CLOSING, /* our close is out; confirmations still count */
	SESSION_OVER,    /* nothing more is looked at */
};

struct session {
	struct conn *conn;
	struct wsframe_decoder decoder;
	struct devref device; /* none before the login */
	enum session_state state;
	unsigned int wrong_tokens;
	bool held;   /* the broker counts us as the device's */
	bool paused; /* too much output: no reading */
};

static void session_on_read(struct bufferevent *, void *);
static void session_on_written(struct bufferevent *, void *);

int
session_open(struct conn *c)
{
	struct session *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -1;
	s->conn = c;
	wsframe_init(&s->decoder, WSFRAME_SERVER, SESSION_MESSAGE_MAX);
	c->session = s;
	c->state = CONN_SESSION;
	c->upgraded = true;
	metrics_add(METRICS_CONNECTIONS, METRICS_HTTP, -1);
	metrics_add(METRICS_CONNECTIONS, METRICS_WEBSOCKET, 1);
	conn_take_over(c, session_on_read, session_on_written);
	bufferevent_setwatermark(c->bev, EV_READ, 0, 2 * SESSION_MESSAGE_MAX);
	/* What came with the handshake is looked at in the next turn. */
	bufferevent_trigger(c->bev, EV_READ, BEV_OPT_DEFER_CALLBACKS);
	return 0;
}

static struct worker *
session_worker(const struct session *s)
{
	return s->conn->conns->worker;
}

static void
session_tell_broker(struct session *s, enum tevent_type type)
{
	struct tevent_session *ev = tevent_new(type, 0);

	ev->session = conn_handle(s->conn);
	ev->device = s->device;
	WORKER_TELL_BROKER(session_worker(s), ev);
}

/* The device is no longer here. */
static void
session_leave(struct session *s)
{
	if (s->held)
		session_tell_broker(s, TEVENT_LOGOUT);
	s->held = false;
}

void
session_free(struct session **sp)
{
	struct session *s = *sp;

	if (s == NULL)
		return;
	session_leave(s);
	wsframe_done(&s->decoder);
	free(s);
	*sp = NULL;
}

/* Stop reading from a device that does not read. */
static void
session_check_output(struct session *s)
{
	size_t max = s->state == SESSION_OPEN ? SESSION_OUTPUT_MAX :
						SESSION_OUTPUT_STRANGER;
	struct bufferevent *bev = s->conn->bev;

	if (s->paused ||
	    evbuffer_get_length(bufferevent_get_output(bev)) <= max)
		return;
	s->paused = true;
	bufferevent_disable(bev, EV_READ);
}

static void
session_send(struct session *s, enum wsframe_opcode opcode, const void *payload,
    size_t len)
{
	struct evbuffer *out = bufferevent_get_output(s->conn->bev);
	uint8_t header[WSFRAME_HEADER_MAX];
	size_t head = wsframe_header(header, opcode, len, NULL);

	evbuffer_add(out, header, head);
	evbuffer_add(out, payload, len);
	metrics_add(METRICS_SENT, 0, (int64_t)(head + len));
	conn_mark_dirty(s->conn);
	session_check_output(s);
}

static void
session_send_text(struct session *s, const char *text)
{
	session_send(s, WSFRAME_TEXT, text, strlen(text));
}

static void
session_send_close(struct session *s, uint16_t code, const char *reason)
{
	uint8_t payload[WSFRAME_CONTROL_MAX];
	size_t len = 0;

	if (code != WSFRAME_NO_STATUS)
		len = wsframe_close_payload(payload, code, reason);
	session_send(s, WSFRAME_CLOSE, payload, len);
}

static void
session_log_close(const struct session *s, uint16_t code, const char *reason)
{
	log_event(LOG_DEBUG,
	    LOG_FIELDS(log_text("peer", conn_peer(s->conn)),
		log_number("code", code)),
	    "ws: close: %s", reason);
}

/* For who bans addresses that try tokens; the token itself is never told. */
static void
session_log_wrong_token(const struct session *s)
{
	static struct log_limit limit;
	unsigned int left_out;

	if (log_may(&limit, worker_now(session_worker(s)), &left_out))
		log_event(LOG_NOTICE,
		    LOG_FIELDS(log_text("peer", conn_peer(s->conn)),
			log_number("left_out", left_out)),
		    "ws: wrong token");
}

/* Begin the closing handshake (RFC 6455 7.1.2). */
static void
session_close(struct session *s, uint16_t code, const char *reason)
{
	if (s->state >= SESSION_CLOSING)
		return;
	session_log_close(s, code, reason);
	session_send_close(s, code, reason);
	s->state = SESSION_CLOSING;
	conn_set_deadline(s->conn, CONN_LINGER_MS);
}

/* No more is said or heard. */
static void
session_end(struct session *s)
{
	s->state = SESSION_OVER;
	session_leave(s);
	conn_linger(s->conn);
}

/* The peer broke the protocol (RFC 6455 7.1.7). */
static void
session_fail(struct session *s)
{
	session_log_close(s, s->decoder.close_code, s->decoder.reason);
	metrics_count_refusal(METRICS_WHY_PROTOCOL);
	if (s->state < SESSION_CLOSING)
		session_send_close(s, s->decoder.close_code, s->decoder.reason);
	session_end(s);
}

static void
session_on_token(struct session *s, const char *token, size_t len)
{
	const struct conf *conf = worker_conf(session_worker(s));

	if (conf_token_valid(conf, token, len)) {
		s->state = SESSION_ID;
		conn_set_deadline(s->conn, conf->login_timeout);
		session_send_text(s, PROTO_AUTH_OK);
		return;
	}
	session_log_wrong_token(s);
	metrics_count_refusal(METRICS_WHY_TOKEN);
	session_send_text(s, PROTO_AUTH_BAD);
	if (++s->wrong_tokens == SESSION_TOKENS_MAX)
		session_close(s, WSFRAME_POLICY, "too many wrong tokens");
}

static void
session_on_id(struct session *s, const char *id, size_t len)
{
	const char *fault = proto_id_fault(id, len);
	struct tevent_login *ev;
	char text[256];

	if (fault != NULL) {
		metrics_count_refusal(METRICS_WHY_LOGIN);
		session_send(s, WSFRAME_TEXT, text,
		    proto_auth(text, sizeof(text), 400, fault));
		return;
	}
	ev = tevent_new(TEVENT_LOGIN, len);
	ev->from = conn_handle(s->conn);
	ev->id_len = len;
	memcpy(ev->id, id, len);
	s->state = SESSION_LOGIN;
	conn_clear_deadline(s->conn);
	WORKER_TELL_BROKER(session_worker(s), ev);
}

static void
session_on_reply(struct session *s, const char *text, size_t len)
{
	struct tevent_ack *ev;
	uint64_t *mids;
	size_t count;

	count = proto_parse_reply(text, len, &mids);
	if (count == 0) {
		session_tell_broker(s, TEVENT_ALIVE);
		return;
	}
	ev = tevent_new(TEVENT_ACK, 0);
	ev->session = conn_handle(s->conn);
	ev->device = s->device;
	ev->count = count;
	ev->mids = mids;
	WORKER_TELL_BROKER(session_worker(s), ev);
}

static void
session_on_message(struct session *s)
{
	const char *text = (const char *)s->decoder.payload;
	size_t len = s->decoder.payload_len;

	switch (s->state) {
	case SESSION_TOKEN:
		session_on_token(s, text, len);
		break;
	case SESSION_ID:
		session_on_id(s, text, len);
		break;
	case SESSION_OPEN:
		session_on_reply(s, text, len);
		break;
	case SESSION_CLOSING:
		if (s->device.gen != 0)
			session_on_reply(s, text, len);
		break;
	case SESSION_LOGIN:
	case SESSION_OVER:
		break;
	}
}

static void
session_on_control(struct session *s)
{
	switch (s->decoder.opcode) {
	case WSFRAME_PING:
		if (s->state < SESSION_CLOSING)
			session_send(s, WSFRAME_PONG, s->decoder.payload,
			    s->decoder.payload_len);
		break;
	case WSFRAME_CLOSE:
		if (s->state < SESSION_CLOSING)
			session_send_close(s, s->decoder.close_code, NULL);
		session_end(s);
		return;
	default:
		break;
	}
	if (s->state == SESSION_OPEN)
		session_tell_broker(s, TEVENT_ALIVE);
}

/* Decode what lies at the front of the input; false when more is needed. */
static bool
session_decode(struct session *s, struct evbuffer *in)
{
	size_t all = evbuffer_get_length(in), used;
	size_t len = evbuffer_get_contiguous_space(in);
	enum wsframe_result result;

	result = wsframe_decode(&s->decoder,
	    evbuffer_pullup(in, (ev_ssize_t)len), len, &used);
	if (result == WSFRAME_MORE && used == 0 && len < all) {
		/* A header, or a control frame, lies across two chunks. */
		len += WSFRAME_HEADER_MAX + WSFRAME_CONTROL_MAX;
		len = len < all ? len : all;
		result = wsframe_decode(&s->decoder,
		    evbuffer_pullup(in, (ev_ssize_t)len), len, &used);
	}
	if (result == WSFRAME_MESSAGE)
		session_on_message(s);
	else if (result == WSFRAME_CONTROL)
		session_on_control(s);
	else if (result == WSFRAME_ERROR)
		session_fail(s);
	/* Whoever ended the session has dropped the input already. */
	if (s->state == SESSION_OVER)
		return false;
	evbuffer_drain(in, used);
	metrics_add(METRICS_RECEIVED, 0, (int64_t)used);
	return used > 0;
}

static void
session_read(struct session *s)
{
	struct evbuffer *in = bufferevent_get_input(s->conn->bev);

	while (s->state != SESSION_LOGIN && s->state != SESSION_OVER &&
	       !s->paused && evbuffer_get_length(in) > 0) {
		if (!session_decode(s, in))
			break;
	}
}

/*
 * Above the watermark libevent calls again and again, without ever leaving its
 * loop, until something is taken out.
 */
static void
session_check_input(struct session *s)
{
	struct bufferevent *bev = s->conn->bev;

	if (s->state == SESSION_LOGIN &&
	    evbuffer_get_length(bufferevent_get_input(bev)) >=
		SESSION_MESSAGE_MAX)
		bufferevent_disable(bev, EV_READ);
}

static void
session_on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (c->state != CONN_SESSION)
		return;
	session_read(c->session);
	session_check_input(c->session);
}

/* The socket took what it could not take before. */
static void
session_on_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	bufferevent_disable(bev, EV_WRITE);
	if (c->state != CONN_SESSION || !c->session->paused)
		return;
	c->session->paused = false;
	bufferevent_enable(bev, EV_READ);
	session_read(c->session);
	session_check_input(c->session);
}

static void
session_refuse_login(struct session *s, bool not_kept)
{
	const char *why =
	    not_kept ? "The device cannot be stored now" : "Too many devices";
	char text[256];

	metrics_count_refusal(METRICS_WHY_LOGIN);
	session_send(s, WSFRAME_TEXT, text,
	    proto_auth(text, sizeof(text), 503, why));
	session_close(s, WSFRAME_TRY_AGAIN,
	    not_kept ? "not stored" : "too many devices");
}

bool
session_on_welcome(struct conn *c, const struct tevent_welcome *ev)
{
	struct session *s = c->session;
	char text[PROTO_LOGIN_MAX];

	if (s->state != SESSION_LOGIN)
		return false;
	if (!s->paused)
		bufferevent_enable(c->bev, EV_READ);
	if (ev->device.gen == 0) {
		session_refuse_login(s, ev->not_kept);
		return true;
	}
	log_event(LOG_DEBUG,
	    LOG_FIELDS(log_bytes("device", ev->id, ev->id_len),
		log_text("peer", conn_peer(c))),
	    "ws: logged in");
	s->device = ev->device;
	s->held = true;
	s->state = SESSION_OPEN;
	session_send(s, WSFRAME_TEXT, text,
	    proto_login(text, ev->id, ev->id_len));
	session_read(s);
	return true;
}

void
session_on_replaced(struct conn *c)
{
	c->session->held = false;
	session_close(c->session, WSFRAME_REPLACED, "replaced");
}

/* The digits of N at the end of OUT; returns where they begin. */
static const char *
session_print_mid(char out[SESSION_MID_MAX], uint64_t n, size_t *len)
{
	char *p = out + SESSION_MID_MAX;

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	*len = (size_t)(out + SESSION_MID_MAX - p);
	return p;
}

/* What a message takes between the brackets of a list. */
static size_t
session_item_size(const struct tevent_item *item)
{
	char digits[SESSION_MID_MAX];
	size_t text, mid;

	(void)message_text(item->message, &text);
	(void)session_print_mid(digits, item->mid, &mid);
	return strlen("{") + text + strlen(",\"mid\":\"") + mid + strlen("\"}");
}

/* The payload of a delivery's frame, in bytes. */
static size_t
session_list_size(const struct tevent_deliver *ev)
{
	size_t i, size = strlen(PROTO_LIST_HEAD) + strlen(PROTO_LIST_TAIL);

	for (i = 0; i < ev->count; i++)
		size += session_item_size(&ev->item[i]) + (i > 0);
	return size;
}

static char *
session_copy(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

/* Everything but the message's own text that a list has for an item. */
static char *
session_copy_mid(char *to, uint64_t mid)
{
	char digits[SESSION_MID_MAX];
	const char *p;
	size_t len;

	to = session_copy(to, ",\"mid\":\"", strlen(",\"mid\":\""));
	p = session_print_mid(digits, mid, &len);
	to = session_copy(to, p, len);
	return session_copy(to, "\"}", 2);
}

/* Write the list to OUT, which has room for session_list_size bytes. */
static void
session_print_list(char *out, const struct tevent_deliver *ev)
{
	const char *text;
	size_t i, len;

	out = session_copy(out, PROTO_LIST_HEAD, strlen(PROTO_LIST_HEAD));
	for (i = 0; i < ev->count; i++) {
		if (i > 0)
			*out++ = ',';
		*out++ = '{';
		text = message_text(ev->item[i].message, &len);
		out = session_copy(out, text, len);
		out = session_copy_mid(out, ev->item[i].mid);
	}
	(void)session_copy(out, PROTO_LIST_TAIL, strlen(PROTO_LIST_TAIL));
}

/* A frame of moderate size is written flat, in one piece of the output. */
static void
session_send_flat(struct session *s, const struct tevent_deliver *ev,
    size_t size)
{
	struct evbuffer *out = bufferevent_get_output(s->conn->bev);
	struct evbuffer_iovec room;
	size_t head;

	if (evbuffer_reserve_space(out, (ev_ssize_t)(size + WSFRAME_HEADER_MAX),
		&room, 1) != 1)
		CHECK_FAIL("memory for a frame");
	head = wsframe_header(room.iov_base, WSFRAME_TEXT, size, NULL);
	session_print_list((char *)room.iov_base + head, ev);
	room.iov_len = head + size;
	CHECK(evbuffer_commit_space(out, &room, 1) == 0);
}

static void
session_release_message(const void *data, size_t len, void *arg)
{
	struct message *m = arg;

	(void)data;
	(void)len;
	message_unref(&m);
}

static void
session_add_text(struct evbuffer *out, struct message *m)
{
	const char *text;
	size_t len;

	text = message_text(m, &len);
	if (len <= SESSION_COPY_MAX ||
	    evbuffer_add_reference(out, text, len, session_release_message,
		message_ref(m)) == -1)
		evbuffer_add(out, text, len);
}

/* In a large frame the texts of large messages are referenced, not copied. */
static void
session_send_referenced(struct session *s, const struct tevent_deliver *ev,
    size_t size)
{
	struct evbuffer *out = bufferevent_get_output(s->conn->bev);
	char tail[64];
	uint8_t header[WSFRAME_HEADER_MAX];
	size_t i;

	evbuffer_add(out, header,
	    wsframe_header(header, WSFRAME_TEXT, size, NULL));
	evbuffer_add(out, PROTO_LIST_HEAD, strlen(PROTO_LIST_HEAD));
	for (i = 0; i < ev->count; i++) {
		evbuffer_add(out, i == 0 ? "{" : ",{", i == 0 ? 1 : 2);
		session_add_text(out, ev->item[i].message);
		evbuffer_add(out, tail,
		    (size_t)(session_copy_mid(tail, ev->item[i].mid) - tail));
	}
	evbuffer_add(out, PROTO_LIST_TAIL, strlen(PROTO_LIST_TAIL));
}

void
session_on_deliver(struct conn *c, const struct tevent_deliver *ev)
{
	struct session *s = c->session;
	struct evbuffer *out = bufferevent_get_output(c->bev);
	size_t size;

	if (s->state != SESSION_OPEN)
		return;
	/* A device that has not read the first copy needs no second one. */
	if (ev->again && evbuffer_get_length(out) > 0)
		return;
	size = session_list_size(ev);
	metrics_add(METRICS_SENT, 0, (int64_t)size);
	if (size <= SESSION_FLAT_MAX)
		session_send_flat(s, ev, size);
	else
		session_send_referenced(s, ev, size);
	conn_mark_dirty(c);
	session_check_output(s);
}

void
session_on_deadline(struct conn *c)
{
	struct session *s = c->session;

	switch (s->state) {
	case SESSION_TOKEN:
		metrics_count_refusal(METRICS_WHY_TIMEOUT);
		session_close(s, WSFRAME_POLICY, "no valid token in time");
		break;
	case SESSION_ID:
		metrics_count_refusal(METRICS_WHY_TIMEOUT);
		session_close(s, WSFRAME_POLICY, "no device id in time");
		break;
	default:
		conn_close(c);
	}
}

void
session_stop(struct conn *c)
{
	session_close(c->session, WSFRAME_GOING_AWAY, "shutting down");
}
