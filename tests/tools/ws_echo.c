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
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#define ECHO_STUCK       10         /* seconds for it to read what is left */

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

/* What has been written is the last; input is read only to see its end. */
static void
echo_finish(struct echo *e)
{
	struct timeval stuck = { ECHO_STUCK, 0 };

	e->closing = true;
	bufferevent_enable(e->bev, EV_READ);
	bufferevent_set_timeouts(e->bev, NULL, &stuck);
}

static void
echo_close(struct echo *e, uint16_t code, const char *reason)
{
	uint8_t payload[WSFRAME_CONTROL_MAX];
	size_t len = 0;

	if (code != WSFRAME_NO_STATUS)
		len = wsframe_close_payload(payload, code, reason);
	echo_send(e, WSFRAME_CLOSE, payload, len);
	echo_finish(e);
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

/* Decode until there is nothing whole left, so that no memory is held. */
static void
echo_decode(struct echo *e)
{
	struct evbuffer *in = bufferevent_get_input(e->bev);
	enum wsframe_result result = WSFRAME_CONTROL;
	size_t used;

	while (!e->closing && result != WSFRAME_MORE) {
		result = wsframe_decode(&e->decoder, evbuffer_pullup(in, -1),
		    evbuffer_get_length(in), &used);
		if (result == WSFRAME_MESSAGE)
			echo_send(e, e->decoder.opcode, e->decoder.payload,
			    e->decoder.payload_len);
		else if (result == WSFRAME_CONTROL)
			echo_on_control(e);
		else if (result == WSFRAME_ERROR)
			echo_close(e, e->decoder.close_code, e->decoder.reason);
		evbuffer_drain(in, used);
	}
	if (e->closing)
		evbuffer_drain(in, evbuffer_get_length(in));
}

/*
 * Copy the value of the only header field NAME, without the blanks around
 * it; false when there is none, or a second, or no room.
 */
static bool
echo_find_field(const char *head, const char *name, char *value, size_t size)
{
	size_t name_len = strlen(name), len;
	const char *line = strstr(head, "\r\n");
	bool found = false;

	for (; line != NULL; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, name_len) != 0 ||
		    line[name_len] != ':')
			continue;
		line += name_len + 1;
		line += strspn(line, " \t");
		len = strcspn(line, "\r\n");
		while (len > 0 && strchr(" \t", line[len - 1]) != NULL)
			len--;
		if (found || len >= size)
			return false;
		memcpy(value, line, len);
		value[len] = '\0';
		found = true;
	}
	return found;
}

/* True when the field NAME is a list that has TOKEN in it. */
static bool
echo_field_has(const char *head, const char *name, const char *token)
{
	char value[128], *rest = value, *item;

	if (!echo_find_field(head, name, value, sizeof(value)))
		return false;
	while ((item = strsep(&rest, ", \t")) != NULL) {
		if (strcasecmp(item, token) == 0)
			return true;
	}
	return false;
}

/* True for the request of RFC 6455 4.2.1; KEY is then the client's. */
static bool
echo_is_upgrade(const char *head, char *key, size_t size)
{
	size_t line = strcspn(head, "\r\n");
	static const char end[] = " HTTP/1.1";
	const size_t end_len = sizeof(end) - 1;

	return strncmp(head, "GET /", 5) == 0 && line > 4 + end_len &&
	       strncmp(head + line - end_len, end, end_len) == 0 &&
	       echo_field_has(head, "Upgrade", "websocket") &&
	       echo_field_has(head, "Connection", "upgrade") &&
	       echo_field_has(head, "Sec-WebSocket-Version", "13") &&
	       echo_find_field(head, "Sec-WebSocket-Key", key, size) &&
	       wskey_valid(key);
}

static void
echo_refuse(struct echo *e)
{
	evbuffer_add_printf(bufferevent_get_output(e->bev),
	    "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\n"
	    "Content-Length: 0\r\nConnection: close\r\n\r\n");
	echo_finish(e);
}

/* Take the handshake out of the input, once it is there. */
static void
echo_shake_hands(struct echo *e)
{
	struct evbuffer *in = bufferevent_get_input(e->bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char head[ECHO_HEAD_MAX + 1], key[64], accept[WSKEY_ACCEPT_SIZE];

	if (end.pos == -1 && evbuffer_get_length(in) < ECHO_HEAD_MAX)
		return;
	if (end.pos == -1 || end.pos + 4 > ECHO_HEAD_MAX) {
		echo_refuse(e);
		return;
	}
	evbuffer_remove(in, head, (size_t)end.pos + 4);
	head[end.pos + 4] = '\0';
	/* A NUL would hide what follows it. */
	if (strlen(head) != (size_t)end.pos + 4 ||
	    !echo_is_upgrade(head, key, sizeof(key))) {
		echo_refuse(e);
		return;
	}
	wskey_accept(key, accept);
	evbuffer_add_printf(bufferevent_get_output(e->bev),
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	e->open = true;
}

static void
echo_on_read(struct bufferevent *bev, void *arg)
{
	struct echo *e = arg;

	if (!e->open && !e->closing)
		echo_shake_hands(e);
	if (e->open)
		echo_decode(e);
	else if (e->closing)
		evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
}

/* All is out: read on, if it was for the output that reading had stopped. */
static void
echo_on_written(struct bufferevent *bev, void *arg)
{
	struct timeval linger = { ECHO_LINGER, 0 };
	struct echo *e = arg;

	if (e->closing) {
		bufferevent_set_timeouts(bev, &linger, NULL);
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
	const int on = 1;

	(void)lev;
	(void)sa;
	(void)len;
	if (e == NULL)
		err(1, NULL);
	e->bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
	if (e->bev == NULL)
		err(1, NULL);
	/* Suites that measure do not want to wait for acknowledgements. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
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
	if (base == NULL)
		errx(1, "no event base");
	signal(SIGPIPE, SIG_IGN);
	lev = evconnlistener_new_bind(base, echo_on_accept, base,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
	    (struct sockaddr *)&in, sizeof(in));
	if (lev == NULL)
		err(1, "port %s", argv[1]);
	term = evsignal_new(base, SIGTERM, echo_on_signal, base);
	if (term == NULL || event_add(term, NULL) == -1)
		err(1, "SIGTERM");
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
