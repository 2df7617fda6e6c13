/* SPDX-License-Identifier: ISC */
/*
 * ws_echo - sends back every message: a server on our WebSocket code, so that
 * any conformance suite can be run against it.  `ws_echo PORT` listens on
 * 127.0.0.1; port 0 is any, and the line "listening on PORT" tells which.
 * Limits: messages of 16 MiB; no reading while more than that waits to go out.
 */
#include "config.h"

#include <arpa/inet.h>
#include <bsd/stdlib.h>
#include <err.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "wsframe.h"
#include "wskey.h"

#define ECHO_MESSAGE_MAX (16 << 20) /* bytes */
#define ECHO_HEAD_MAX    8192       /* bytes of the handshake */
#define ECHO_LINGER      2          /* seconds for the peer to close */

struct echo {
	LIST_ENTRY(echo) link;
	struct bufferevent *bev;
	struct wsframe_decoder decoder;
	bool open;    /* the handshake is done */
	bool closing; /* the last bytes are on their way */
};

static LIST_HEAD(, echo) echoes = LIST_HEAD_INITIALIZER(echoes);

static void
echo_free(struct echo *e)
{
	LIST_REMOVE(e, link);
	wsframe_done(&e->decoder);
	bufferevent_free(e->bev);
	free(e);
}

static void
echo_send(struct echo *e, enum wsframe_opcode opcode, const void *p, size_t len)
{
	struct evbuffer *out = bufferevent_get_output(e->bev);
	uint8_t head[WSFRAME_HEADER_MAX];

	evbuffer_add(out, head, wsframe_header(head, opcode, len, NULL));
	evbuffer_add(out, p, len);
	if (evbuffer_get_length(out) > ECHO_MESSAGE_MAX)
		bufferevent_disable(e->bev, EV_READ);
}

/* Send a close frame; then the peer has a moment to close. */
static void
echo_close(struct echo *e, uint16_t code, const char *reason)
{
	struct timeval linger = { ECHO_LINGER, 0 };
	uint8_t payload[WSFRAME_CONTROL_MAX];
	size_t len = 0;

	if (code != WSFRAME_NO_STATUS)
		len = wsframe_close_payload(payload, code, reason);
	echo_send(e, WSFRAME_CLOSE, payload, len);
	e->closing = true;
	bufferevent_enable(e->bev, EV_READ);
	bufferevent_set_timeouts(e->bev, &linger, NULL);
}

static void
echo_on_control(struct echo *e)
{
	if (e->decoder.opcode == WSFRAME_PING)
		echo_send(e, WSFRAME_PONG, e->decoder.payload,
		    e->decoder.payload_len);
	else if (e->decoder.opcode == WSFRAME_CLOSE)
		echo_close(e, e->decoder.close_code, NULL);
}

static void
echo_decode(struct echo *e)
{
	struct evbuffer *in = bufferevent_get_input(e->bev);
	enum wsframe_result result;
	size_t len, used;

	while (!e->closing && (len = evbuffer_get_length(in)) > 0) {
		result = wsframe_decode(&e->decoder, evbuffer_pullup(in, -1),
		    len, &used);
		if (result == WSFRAME_MESSAGE)
			echo_send(e, e->decoder.opcode, e->decoder.payload,
			    e->decoder.payload_len);
		else if (result == WSFRAME_CONTROL)
			echo_on_control(e);
		else if (result == WSFRAME_ERROR)
			echo_close(e, e->decoder.close_code, e->decoder.reason);
		evbuffer_drain(in, used);
		if (used == 0)
			return;
	}
	if (e->closing)
		evbuffer_drain(in, evbuffer_get_length(in));
}

/* The value of a header field, or NULL; cuts HEAD up. */
static const char *
echo_find_field(const char *head, const char *name, char *value, size_t size)
{
	size_t len = strlen(name);
	const char *line;

	for (line = strchr(head, '\n'); line != NULL;
	     line = strchr(line + 1, '\n')) {
		if (strncasecmp(line + 1, name, len) != 0 ||
		    line[1 + len] != ':')
			continue;
		line += len + 2;
		line += strspn(line, " \t");
		snprintf(value, size, "%.*s", (int)strcspn(line, " \t\r\n"),
		    line);
		return value;
	}
	return NULL;
}

static bool
echo_is_upgrade(const char *head, char *key, size_t size)
{
	char value[128];

	return strncmp(head, "GET ", 4) == 0 &&
	       echo_find_field(head, "Upgrade", value, sizeof(value)) != NULL &&
	       strcasecmp(value, "websocket") == 0 &&
	       echo_find_field(head, "Sec-WebSocket-Version", value,
		   sizeof(value)) != NULL &&
	       strcmp(value, "13") == 0 &&
	       echo_find_field(head, "Sec-WebSocket-Key", key, size) != NULL &&
	       wskey_valid(key);
}

/* Read the handshake; false when there is more to come, or an end to it. */
static bool
echo_shake_hands(struct echo *e)
{
	struct evbuffer *in = bufferevent_get_input(e->bev);
	struct evbuffer *out = bufferevent_get_output(e->bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char head[ECHO_HEAD_MAX + 1], key[64], accept[WSKEY_ACCEPT_SIZE];

	if (end.pos == -1 && evbuffer_get_length(in) <= ECHO_HEAD_MAX)
		return false;
	if (end.pos == -1 || end.pos + 4 > ECHO_HEAD_MAX) {
		echo_free(e);
		return false;
	}
	evbuffer_remove(in, head, (size_t)end.pos + 4);
	head[end.pos + 4] = '\0';
	if (!echo_is_upgrade(head, key, sizeof(key))) {
		echo_free(e);
		return false;
	}
	wskey_accept(key, accept);
	evbuffer_add_printf(out,
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	return e->open = true;
}

static void
echo_on_read(struct bufferevent *bev, void *arg)
{
	struct echo *e = arg;

	(void)bev;
	if (e->open || echo_shake_hands(e))
		echo_decode(e);
}

/* All is out: read on, if it was for the output that reading had stopped. */
static void
echo_on_written(struct bufferevent *bev, void *arg)
{
	struct echo *e = arg;

	if (e->closing) {
		(void)shutdown(bufferevent_getfd(bev), SHUT_WR);
	} else if (!(bufferevent_get_enabled(bev) & EV_READ)) {
		bufferevent_enable(bev, EV_READ);
		echo_decode(e);
	}
}

static void
echo_on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	echo_free(arg);
}

static void
echo_on_accept(struct evconnlistener *lev, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *arg)
{
	struct echo *e = calloc(1, sizeof(*e));

	(void)lev;
	(void)sa;
	(void)len;
	if (e == NULL)
		err(1, NULL);
	e->bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
	if (e->bev == NULL)
		err(1, NULL);
	wsframe_init(&e->decoder, WSFRAME_SERVER, ECHO_MESSAGE_MAX);
	LIST_INSERT_HEAD(&echoes, e, link);
	bufferevent_setcb(e->bev, echo_on_read, echo_on_written, echo_on_event,
	    e);
	bufferevent_enable(e->bev, EV_READ | EV_WRITE);
}

static void
echo_on_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	event_base_loopbreak(arg);
}

static void
echo_announce(struct evconnlistener *lev)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	if (getsockname(evconnlistener_get_fd(lev), (struct sockaddr *)&in,
		&len) == -1)
		err(1, "getsockname");
	printf("listening on %d\n", ntohs(in.sin_port));
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct event_base *base = event_base_new();
	struct evconnlistener *lev;
	struct event *term;
	const char *fault = "missing";

	if (argc == 2)
		in.sin_port =
		    htons((uint16_t)strtonum(argv[1], 0, UINT16_MAX, &fault));
	if (fault != NULL)
		errx(2, "port: %s\nusage: ws_echo port", fault);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	signal(SIGPIPE, SIG_IGN);
	lev = evconnlistener_new_bind(base, echo_on_accept, base,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
	    (struct sockaddr *)&in, sizeof(in));
	if (lev == NULL)
		err(1, "port %s", argv[1]);
	term = evsignal_new(base, SIGTERM, echo_on_signal, base);
	event_add(term, NULL);
	echo_announce(lev);
	event_base_dispatch(base);
	while (!LIST_EMPTY(&echoes))
		echo_free(LIST_FIRST(&echoes));
	event_free(term);
	evconnlistener_free(lev);
	/* Bufferevents are finalized by a turn of the loop. */
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_free(base);
	return 0;
}
