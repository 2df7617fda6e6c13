/* SPDX-License-Identifier: ISC */
/*
 * mpush listen: a device at the terminal.  One connection at a time; what
 * ends it decides whether another is tried (listen_retry) or not (listen_end).
 */
#include "config.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <err.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "backoff.h"
#include "mpush.h"
#include "mpush_show.h"
#include "wsframe.h"
#include "wskey.h"

#define LISTEN_SERVER      "ws://127.0.0.1:2245"
#define LISTEN_KEEPALIVE   60         /* seconds between pings */
#define LISTEN_PATIENCE    10         /* seconds for what must come */
#define LISTEN_HEAD_MAX    8192       /* bytes of the handshake's answer */
#define LISTEN_MESSAGE_MAX (16 << 20) /* bytes */
#define LISTEN_TOKEN_MAX   65536      /* bytes */
#define LISTEN_SEEN        4096       /* mids remembered */
#define LISTEN_REPLY_MIDS  1000       /* confirmed in one reply */

enum listen_state {
	LISTEN_CONNECTING,
	LISTEN_HANDSHAKE,
	LISTEN_TOKEN, /* sent; AUTH is to come */
	LISTEN_ID,    /* sent; LOGIN is to come */
	LISTEN_OPEN,
	LISTEN_CLOSING, /* our close is out */
	LISTEN_WAITING, /* for the next try */
};

struct listen {
	struct mpush_url server;
	const char *device;
	char *token;
	bool json, quiet, verbose;
	int keepalive;
	unsigned long left; /* messages until the end; 0: no end */

	struct event_base *base;
	struct event *timer; /* the state's deadline, or the next ping */
	struct event *sigint, *sigterm;
	struct bufferevent *bev;
	struct wsframe_decoder decoder;
	struct backoff backoff;
	enum listen_state state;
	bool pinged; /* a pong is to come */
	bool over;   /* no further try */
	int status;
	char accept[WSKEY_ACCEPT_SIZE];
	uint64_t seen[LISTEN_SEEN]; /* a ring */
	size_t seen_next;
};

static void listen_connect(struct listen *);

static void __attribute__((format(printf, 2, 3)))
listen_say(const struct listen *l, const char *fmt, ...)
{
	va_list ap;

	if (l->quiet)
		return;
	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
}

static void
listen_set_timer(struct listen *l, long ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	evtimer_add(l->timer, &tv);
}

static void
listen_disconnect(struct listen *l)
{
	evtimer_del(l->timer);
	wsframe_done(&l->decoder);
	if (l->bev != NULL)
		bufferevent_free(l->bev);
	l->bev = NULL;
}

/* The end, whatever the reason. */
static void
listen_end(struct listen *l, int status)
{
	l->over = true;
	l->status = status;
	listen_disconnect(l);
	event_base_loopbreak(l->base);
}

/* The connection is of no use any more: try again later, unless it is over. */
static void
listen_retry(struct listen *l, const char *why)
{
	uint32_t wait;

	if (l->over || l->state == LISTEN_CLOSING) {
		listen_end(l, l->status);
		return;
	}
	listen_disconnect(l);
	wait = backoff_next(&l->backoff, arc4random());
	listen_say(l, "%s port %u: %s; next try in %u.%u s", l->server.host,
	    l->server.port, why, wait / 1000, wait % 1000 / 100);
	l->state = LISTEN_WAITING;
	listen_set_timer(l, (long)wait);
}

static void
listen_send(struct listen *l, enum wsframe_opcode opcode, const void *data,
    size_t len)
{
	struct evbuffer *out = bufferevent_get_output(l->bev);
	uint8_t head[WSFRAME_HEADER_MAX], mask[4];
	uint8_t *copy = malloc(len + 1);

	if (copy == NULL)
		err(MPUSH_EXIT_FAULT, NULL);
	arc4random_buf(mask, sizeof(mask));
	memcpy(copy, data, len);
	wsframe_mask(copy, len, mask, 0);
	evbuffer_add(out, head, wsframe_header(head, opcode, len, mask));
	evbuffer_add(out, copy, len);
	free(copy);
}

/* Say goodbye; the end comes with the server's answer, or a deadline. */
static void
listen_close(struct listen *l, uint16_t code, int status)
{
	uint8_t payload[WSFRAME_CONTROL_MAX];

	l->over = true;
	l->status = status;
	if (l->state < LISTEN_TOKEN || l->state > LISTEN_OPEN) {
		listen_end(l, status);
		return;
	}
	listen_send(l, WSFRAME_CLOSE, payload,
	    wsframe_close_payload(payload, code, NULL));
	l->state = LISTEN_CLOSING;
	listen_set_timer(l, LISTEN_PATIENCE * 1000L);
}

static bool
listen_has_seen(const struct listen *l, uint64_t mid)
{
	size_t i;

	for (i = 0; i < LISTEN_SEEN; i++) {
		if (l->seen[i] == mid)
			return true;
	}
	return false;
}

static void
listen_remember(struct listen *l, uint64_t mid)
{
	l->seen[l->seen_next] = mid;
	l->seen_next = (l->seen_next + 1) % LISTEN_SEEN;
}

/* A member that is a string; another server may send anything. */
static struct mpush_text
listen_text(const json_t *message, const char *name)
{
	const json_t *value = json_object_get(message, name);
	struct mpush_text t = { "", 0 };

	if (json_is_string(value)) {
		t.text = json_string_value(value);
		t.len = json_string_length(value);
	}
	return t;
}

static int
listen_priority(const json_t *message)
{
	json_int_t n = json_integer_value(json_object_get(message, "priority"));

	return n >= 1 && n <= 5 ? (int)n : 0;
}

/* Write a message to standard output; false when that failed. */
static bool
listen_print(const struct listen *l, uint64_t mid, const json_t *message)
{
	struct mpush_message m = { .mid = mid,
		.title = listen_text(message, "title"),
		.content = listen_text(message, "content"),
		.url = listen_text(message, "url"),
		.tags = listen_text(message, "tags"),
		.priority = listen_priority(message) };

	if (l->json) {
		json_dumpf(message, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		mpush_show_message(stdout, &m);
	}
	return fflush(stdout) == 0 && !ferror(stdout);
}

/* The mid of a message that can be printed, or 0. */
static uint64_t
listen_mid_of(const json_t *message)
{
	const char *mid = json_string_value(json_object_get(message, "mid"));
	const json_t *title = json_object_get(message, "title");
	const json_t *content = json_object_get(message, "content");

	if (mid == NULL || (title != NULL && !json_is_string(title)) ||
	    (content != NULL && !json_is_string(content)))
		return 0;
	return strtoull(mid, NULL, 10);
}

/* Confirm messages FROM to TO of a list, as far as they have mids. */
static void
listen_confirm(struct listen *l, const json_t *list, size_t from, size_t to)
{
	json_t *mids = json_array(), *reply;
	char *text;

	for (; from < to; from++)
		json_array_append(mids,
		    json_object_get(json_array_get(list, from), "mid"));
	reply = json_pack("{s:s,s:{s:o}}", "cmd", "SENDMSG_CB", "data",
	    "midList", mids);
	text = reply == NULL ? NULL : json_dumps(reply, JSON_COMPACT);
	if (text == NULL)
		errx(MPUSH_EXIT_FAULT, "out of memory");
	listen_send(l, WSFRAME_TEXT, text, strlen(text));
	free(text);
	json_decref(reply);
}

/*
 * Print the messages of a list that are new; returns how many of the list
 * have been dealt with, fewer than all when the wanted number is reached.
 */
static size_t
listen_print_list(struct listen *l, const json_t *list, bool *full)
{
	const json_t *message;
	uint64_t mid;
	size_t i;

	for (i = 0; i < json_array_size(list) && !*full; i++) {
		message = json_array_get(list, i);
		mid = listen_mid_of(message);
		if (mid == 0 || listen_has_seen(l, mid))
			continue;
		if (!listen_print(l, mid, message))
			err(MPUSH_EXIT_FAULT, "standard output");
		listen_remember(l, mid);
		*full = l->left > 0 && --l->left == 0;
	}
	return i;
}

static void
listen_on_list(struct listen *l, const json_t *list)
{
	bool full = false;
	size_t done, from, to;

	done = listen_print_list(l, list, &full);
	/* Only what stands on the output is confirmed. */
	for (from = 0; from < done; from = to) {
		to = from + LISTEN_REPLY_MIDS < done ?
			 from + LISTEN_REPLY_MIDS :
			 done;
		listen_confirm(l, list, from, to);
	}
	if (full)
		listen_close(l, WSFRAME_NORMAL, 0);
}

static void
listen_on_auth(struct listen *l, const json_t *data)
{
	json_int_t code = json_integer_value(json_object_get(data, "code"));
	const char *msg = json_string_value(json_object_get(data, "msg"));

	if (code == 200 && l->state == LISTEN_TOKEN) {
		l->state = LISTEN_ID;
		listen_send(l, WSFRAME_TEXT, l->device, strlen(l->device));
		return;
	}
	if (code == 503) {
		listen_retry(l, "the server has too many devices");
		return;
	}
	warnx("the server refuses the %s: %s",
	    l->state == LISTEN_TOKEN ? "token" : "device id",
	    msg == NULL ? "no reason given" : msg);
	listen_close(l, WSFRAME_NORMAL, MPUSH_EXIT_FAULT);
}

static void
listen_on_login(struct listen *l)
{
	if (l->state != LISTEN_ID)
		return;
	l->state = LISTEN_OPEN;
	l->backoff.tries = 0;
	listen_set_timer(l, l->keepalive * 1000L);
	if (l->verbose)
		listen_say(l, "connected as %s", l->device);
}

static void
listen_on_message(struct listen *l)
{
	json_t *root = json_loadb((const char *)l->decoder.payload,
	    l->decoder.payload_len, JSON_ALLOW_NUL, NULL);
	const json_t *data = json_object_get(root, "data");
	const char *cmd = json_string_value(json_object_get(root, "cmd"));

	if (cmd == NULL || l->state < LISTEN_TOKEN || l->state > LISTEN_OPEN)
		; /* not ours to understand */
	else if (strcmp(cmd, "AUTH") == 0)
		listen_on_auth(l, data);
	else if (strcmp(cmd, "LOGIN") == 0)
		listen_on_login(l);
	else if (strcmp(cmd, "MESSAGE") == 0)
		listen_on_list(l, json_object_get(data, "msgList"));
	json_decref(root);
}

/* Answer a close with its code, at once: nothing is sent after it. */
static void
listen_answer_close(struct listen *l)
{
	struct evbuffer *out = bufferevent_get_output(l->bev);
	uint8_t payload[WSFRAME_CONTROL_MAX];
	size_t len = 0;

	if (l->decoder.close_code != WSFRAME_NO_STATUS)
		len =
		    wsframe_close_payload(payload, l->decoder.close_code, NULL);
	listen_send(l, WSFRAME_CLOSE, payload, len);
	evbuffer_unfreeze(out, 1);
	(void)evbuffer_write(out, bufferevent_getfd(l->bev));
}

static void
listen_on_close(struct listen *l)
{
	char why[64];

	if (l->state != LISTEN_CLOSING)
		listen_answer_close(l);

	if (l->decoder.close_code == WSFRAME_REPLACED && !l->over) {
		warnx("another connection has taken over %s", l->device);
		listen_end(l, MPUSH_EXIT_FAULT);
		return;
	}
	snprintf(why, sizeof(why), "closed by the server, code %u",
	    l->decoder.close_code);
	listen_retry(l, why);
}

/* False when the connection is gone. */
static bool
listen_on_control(struct listen *l)
{
	switch (l->decoder.opcode) {
	case WSFRAME_PING:
		listen_send(l, WSFRAME_PONG, l->decoder.payload,
		    l->decoder.payload_len);
		break;
	case WSFRAME_PONG:
		l->pinged = false;
		if (l->state == LISTEN_OPEN)
			listen_set_timer(l, l->keepalive * 1000L);
		break;
	default:
		listen_on_close(l);
	}
	return l->bev != NULL;
}

static void
listen_decode(struct listen *l)
{
	struct evbuffer *in = bufferevent_get_input(l->bev);
	enum wsframe_result result;
	size_t len, used;

	while ((len = evbuffer_get_length(in)) > 0) {
		result = wsframe_decode(&l->decoder, evbuffer_pullup(in, -1),
		    len, &used);
		if (result == WSFRAME_ERROR) {
			listen_retry(l, l->decoder.reason);
			return;
		}
		if (result == WSFRAME_MESSAGE)
			listen_on_message(l);
		if (result == WSFRAME_CONTROL && !listen_on_control(l))
			return;
		if (l->bev == NULL)
			return;
		evbuffer_drain(in, used);
		if (result == WSFRAME_MORE && used == 0)
			return;
	}
}

/* The value of a field of the answer's head, or NULL; HEAD is cut up. */
static const char *
listen_find_field(char *head, const char *name)
{
	size_t len = strlen(name);
	char *line;

	while ((line = strsep(&head, "\n")) != NULL) {
		line[strcspn(line, "\r")] = '\0';
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

/* Read the answer to the handshake; false when there is more to come. */
static bool
listen_read_head(struct listen *l, const char **fault)
{
	struct evbuffer *in = bufferevent_get_input(l->bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char head[LISTEN_HEAD_MAX + 1];
	const char *accept;
	size_t len;

	*fault = NULL;
	if (end.pos == -1 || end.pos + 4 > LISTEN_HEAD_MAX) {
		if (evbuffer_get_length(in) > LISTEN_HEAD_MAX)
			*fault = "its answer is no WebSocket handshake";
		return *fault != NULL;
	}
	len = (size_t)end.pos + 4;
	evbuffer_remove(in, head, len);
	head[len] = '\0';
	if (strncmp(head, "HTTP/1.1 101", 12) != 0) {
		*fault = "it does not speak WebSocket there";
		return true;
	}
	accept = listen_find_field(head, "Sec-WebSocket-Accept");
	if (accept == NULL || strcmp(accept, l->accept) != 0)
		*fault = "its answer to the handshake is wrong";
	return true;
}

static void
listen_on_read(struct bufferevent *bev, void *arg)
{
	struct listen *l = arg;
	const char *fault;

	(void)bev;
	if (l->state == LISTEN_HANDSHAKE) {
		if (!listen_read_head(l, &fault))
			return;
		if (fault != NULL) {
			listen_retry(l, fault);
			return;
		}
		l->state = LISTEN_TOKEN;
		listen_send(l, WSFRAME_TEXT, l->token, strlen(l->token));
	}
	listen_decode(l);
}

static void
listen_start_handshake(struct listen *l)
{
	bool six = strchr(l->server.host, ':') != NULL;
	char key[WSKEY_NONCE_SIZE];

	l->state = LISTEN_HANDSHAKE;
	wskey_nonce(key);
	wskey_accept(key, l->accept);
	evbuffer_add_printf(bufferevent_get_output(l->bev),
	    "GET %s/ HTTP/1.1\r\n"
	    "Host: %s%s%s:%u\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: %s\r\n\r\n",
	    l->server.path, six ? "[" : "", l->server.host, six ? "]" : "",
	    l->server.port, key);
}

static void
listen_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct listen *l = arg;
	int dns = bufferevent_socket_get_dns_error(bev);

	if (what & BEV_EVENT_CONNECTED)
		listen_start_handshake(l);
	else if (what & BEV_EVENT_EOF)
		listen_retry(l, "the connection has ended");
	else if (dns != 0)
		listen_retry(l, evutil_gai_strerror(dns));
	else
		listen_retry(l, strerror(EVUTIL_SOCKET_ERROR()));
}

static void
listen_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct listen *l = arg;

	(void)fd;
	(void)what;
	if (l->state == LISTEN_WAITING) {
		listen_connect(l);
	} else if (l->state == LISTEN_OPEN && !l->pinged) {
		listen_send(l, WSFRAME_PING, "", 0);
		l->pinged = true;
		listen_set_timer(l, LISTEN_PATIENCE * 1000L);
	} else {
		listen_retry(l, "no answer in time");
	}
}

static void
listen_on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct listen *l = arg;

	(void)sig;
	(void)what;
	/* The second one does not wait for the server. */
	if (l->state == LISTEN_CLOSING)
		listen_end(l, 0);
	else
		listen_close(l, WSFRAME_NORMAL, 0);
}

static void
listen_connect(struct listen *l)
{
	l->state = LISTEN_CONNECTING;
	l->pinged = false;
	wsframe_init(&l->decoder, WSFRAME_CLIENT, LISTEN_MESSAGE_MAX);
	l->bev = bufferevent_socket_new(l->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (l->bev == NULL)
		err(MPUSH_EXIT_FAULT, NULL);
	bufferevent_setcb(l->bev, listen_on_read, NULL, listen_on_event, l);
	bufferevent_enable(l->bev, EV_READ | EV_WRITE);
	listen_set_timer(l, LISTEN_PATIENCE * 1000L);
	if (bufferevent_socket_connect_hostname(l->bev, NULL, AF_UNSPEC,
		l->server.host, l->server.port) == -1 &&
	    l->bev != NULL && l->state == LISTEN_CONNECTING)
		listen_retry(l, "cannot connect");
}

/* The token of a file, or of MPUSH_TOKEN; the caller frees it. */
static char *
listen_find_token(const char *file)
{
	const char *env = getenv("MPUSH_TOKEN");
	char *token = calloc(1, LISTEN_TOKEN_MAX + 2);
	FILE *fp;

	if (token == NULL)
		err(MPUSH_EXIT_FAULT, NULL);
	if (file != NULL) {
		fp = fopen(file, "r");
		if (fp == NULL)
			err(MPUSH_EXIT_FAULT, "%s", file);
		if (fgets(token, LISTEN_TOKEN_MAX + 2, fp) == NULL)
			errx(MPUSH_EXIT_FAULT, "%s: there is no token in it",
			    file);
		fclose(fp);
		token[strcspn(token, "\r\n")] = '\0';
	} else if (env != NULL) {
		strlcpy(token, env, LISTEN_TOKEN_MAX + 2);
	}
	if (*token == '\0')
		errx(MPUSH_EXIT_USAGE, "no token: set MPUSH_TOKEN, or name a "
				       "file that holds it with -T");
	return token;
}

static long long
listen_number(const char *option, const char *text, long long max)
{
	const char *fault;
	long long n = strtonum(text, 1, max, &fault);

	if (fault != NULL)
		errx(MPUSH_EXIT_USAGE, "%s: %s: %s", option, fault, text);
	return n;
}

static void
listen_parse(struct listen *l, int argc, char **argv)
{
	const char *url = NULL, *file = NULL;
	int c;

	while ((c = getopt(argc, argv, "jk:n:qT:u:v")) != -1) {
		switch (c) {
		case 'j':
			l->json = true;
			break;
		case 'k':
			l->keepalive = (int)listen_number("-k", optarg, 86400);
			break;
		case 'n':
			l->left = (unsigned long)listen_number("-n", optarg,
			    INT32_MAX);
			break;
		case 'q':
			l->quiet = true;
			break;
		case 'T':
			file = optarg;
			break;
		case 'u':
			url = optarg;
			break;
		case 'v':
			l->verbose = true;
			break;
		default:
			mpush_usage();
		}
	}
	if (argc - optind != 1)
		mpush_usage();
	l->device = argv[optind];
	mpush_find_server(url, LISTEN_SERVER, &l->server);
	l->token = listen_find_token(file);
}

int
mpush_listen(int argc, char **argv)
{
	struct listen *l = calloc(1, sizeof(*l));
	int status;

	if (l == NULL)
		err(MPUSH_EXIT_FAULT, NULL);
	l->keepalive = LISTEN_KEEPALIVE;
	listen_parse(l, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	l->base = event_base_new();
	l->timer = evtimer_new(l->base, listen_on_timer, l);
	l->sigint = evsignal_new(l->base, SIGINT, listen_on_signal, l);
	l->sigterm = evsignal_new(l->base, SIGTERM, listen_on_signal, l);
	if (l->timer == NULL || l->sigint == NULL || l->sigterm == NULL)
		err(MPUSH_EXIT_FAULT, NULL);
	event_add(l->sigint, NULL);
	event_add(l->sigterm, NULL);
	listen_connect(l);
	while (!l->over || l->bev != NULL)
		event_base_loop(l->base, EVLOOP_ONCE);
	status = l->status;
	event_free(l->timer);
	event_free(l->sigint);
	event_free(l->sigterm);
	event_base_free(l->base);
	explicit_bzero(l->token, strlen(l->token));
	free(l->token);
	free(l);
	return status;
}
