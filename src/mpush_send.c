/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <bsd/stdlib.h>
#include <err.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mpush.h"
#include "utf8.h"

#define SEND_SERVER   "http://127.0.0.1:2246"
#define SEND_WAIT     60         /* seconds for the whole exchange */
#define SEND_TEXT_MAX (16 << 20) /* bytes from standard input */

struct send {
	struct mpush_url server;
	const char *device, *title;
	const char *priority, *tags, *link, *key; /* NULL: not set */
	bool confirmed;                           /* or it has failed */
	bool quiet;
	bool one; /* commas and @ are part of the device's id */
	int wait;
	struct event_base *base;
	int status;
};

/* All of standard input; its length in *LEN. */
static char *
send_read_input(size_t *len)
{
	char *text = malloc(SEND_TEXT_MAX);

	if (text == NULL)
		err(MPUSH_EXIT_FAULT, NULL);
	*len = fread(text, 1, SEND_TEXT_MAX, stdin);
	if (ferror(stdin))
		err(MPUSH_EXIT_FAULT, "standard input");
	if (!feof(stdin) && getchar() != EOF)
		errx(MPUSH_EXIT_FAULT, "standard input: over %d bytes",
		    SEND_TEXT_MAX);
	return text;
}

/* The JSON string of any bytes. */
static json_t *
send_json_text(const char *text, size_t len)
{
	char *clean = malloc(3 * len + 1);
	json_t *value;

	if (clean == NULL)
		err(MPUSH_EXIT_FAULT, NULL);
	value = json_stringn(clean, utf8_clean(clean, text, len));
	free(clean);
	if (value == NULL)
		errx(MPUSH_EXIT_FAULT, "out of memory");
	return value;
}

static void
send_add_field(json_t *body, const char *name, const char *text)
{
	if (text != NULL)
		json_object_set_new(body, name,
		    send_json_text(text, strlen(text)));
}

/* The request's body, which the caller frees. */
static char *
send_make_body(const struct send *s, const char *text, size_t len)
{
	json_t *body = json_object();
	char *out;

	send_add_field(body, "title", s->title);
	json_object_set_new(body, "content", send_json_text(text, len));
	send_add_field(body, "priority", s->priority);
	send_add_field(body, "tags", s->tags);
	send_add_field(body, "url", s->link);
	send_add_field(body, "key", s->key);
	send_add_field(body, "require", s->confirmed ? "ack" : NULL);
	out = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (out == NULL)
		errx(MPUSH_EXIT_FAULT, "out of memory");
	return out;
}

/* What the server said, as an exit status. */
static int
send_judge(const char *status)
{
	static const struct {
		const char *word;
		int status;
	} words[] = {
		{ "ok", 0 },
		{ "online", MPUSH_EXIT_ONLINE },
		{ "offline", MPUSH_EXIT_OFFLINE },
		{ "no", MPUSH_EXIT_NO },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(status, words[i].word) == 0)
			return words[i].status;
	}
	return MPUSH_EXIT_FAULT;
}

/* Of several devices, say which ones have not got it, and why. */
static void
send_show_failures(const json_t *devices)
{
	const char *error, *id;
	json_t *device;
	size_t i;

	json_array_foreach (devices, i, device) {
		id = json_string_value(json_object_get(device, "device"));
		error = json_string_value(json_object_get(device, "error"));
		if (id != NULL && error != NULL)
			warnx("%s: %s", id, error);
	}
}

static int
send_read_answer(const struct send *s, struct evbuffer *in, int code)
{
	size_t len = evbuffer_get_length(in);
	const char *text =
	    len == 0 ? "" : (const char *)evbuffer_pullup(in, -1);
	json_t *answer = json_loadb(text, len, 0, NULL);
	const char *word, *error;
	int status = MPUSH_EXIT_FAULT;

	word = json_string_value(json_object_get(answer, "status"));
	error = json_string_value(json_object_get(answer, "error"));
	if (word != NULL)
		status = send_judge(word);
	if (status == MPUSH_EXIT_FAULT)
		warnx("this is not an mpushd: HTTP status %d", code);
	else if (!s->quiet)
		puts(word);
	if (json_object_get(answer, "devices") != NULL)
		send_show_failures(json_object_get(answer, "devices"));
	else if (error != NULL)
		warnx("%s", error);
	json_decref(answer);
	return status;
}

static void
send_on_answer(struct evhttp_request *req, void *arg)
{
	struct send *s = arg;

	if (req == NULL || evhttp_request_get_response_code(req) == 0)
		warnx("no answer from %s port %u", s->server.host,
		    s->server.port);
	else
		s->status =
		    send_read_answer(s, evhttp_request_get_input_buffer(req),
			evhttp_request_get_response_code(req));
	event_base_loopbreak(s->base);
}

static void
send_add_headers(struct evhttp_request *req, const struct mpush_url *server)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	char host[MPUSH_URL_MAX + 16];

	snprintf(host, sizeof(host),
	    strchr(server->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
	    server->host, server->port);
	evhttp_add_header(headers, "Host", host);
	evhttp_add_header(headers, "Content-Type", "application/json");
	evhttp_add_header(headers, "Accept", "application/json");
	evhttp_add_header(headers, "Connection", "close");
}

/*
 * The path that names the devices: "a,b,@group", but for the commas and a
 * group's @ percent-encoded.  The caller frees it.
 */
static char *
send_make_path(const struct send *s)
{
	struct evbuffer *out = evbuffer_new();
	const char *part = s->device;
	size_t len, at;
	char *encoded, *path;

	do {
		len = s->one ? strlen(part) : strcspn(part, ",");
		at = !s->one && len > 0 && part[0] == '@';
		encoded = len > at ? evhttp_uriencode(part + at,
					 (ev_ssize_t)(len - at), 0) :
				     strdup("");
		if (out == NULL || encoded == NULL ||
		    evbuffer_add_printf(out, "%s%s", at ? "@" : "", encoded) ==
			-1)
			errx(MPUSH_EXIT_FAULT, "out of memory");
		free(encoded);
		part += len;
		if (*part == ',')
			evbuffer_add(out, ",", 1);
	} while (*part++ == ',');
	evbuffer_add(out, "", 1);
	path = strdup((const char *)evbuffer_pullup(out, -1));
	evbuffer_free(out);
	return path;
}

/* Make the request and wait for its answer. */
static void
send_exchange(struct send *s, const char *body)
{
	struct timeval wait = { s->wait, 0 };
	struct evhttp_connection *conn;
	struct evhttp_request *req;
	char *id, *target;

	s->base = event_base_new();
	conn = evhttp_connection_base_new(s->base, NULL, s->server.host,
	    s->server.port);
	req = evhttp_request_new(send_on_answer, s);
	id = send_make_path(s);
	if (conn == NULL || req == NULL || id == NULL ||
	    asprintf(&target, "%s/%s", s->server.path, id) == -1)
		errx(MPUSH_EXIT_FAULT, "out of memory");
	evhttp_connection_set_timeout(conn, s->wait);
	send_add_headers(req, &s->server);
	evbuffer_add(evhttp_request_get_output_buffer(req), body, strlen(body));
	if (evhttp_make_request(conn, req, EVHTTP_REQ_POST, target) == 0) {
		event_base_loopexit(s->base, &wait);
		event_base_dispatch(s->base);
	}
	free(target);
	free(id);
	evhttp_connection_free(conn);
	event_base_free(s->base);
}

/* OPTARG as a whole number; exits when it is none from MIN to MAX. */
static int
send_number(int option, int min, int max)
{
	const char *fault;
	int n = (int)strtonum(optarg, min, max, &fault);

	if (fault != NULL)
		errx(MPUSH_EXIT_USAGE, "-%c: %s: %s", option, fault, optarg);
	return n;
}

/* An option that is a flag or a field of the message; false: it is none. */
static bool
send_take_option(struct send *s, int c)
{
	switch (c) {
	case '1':
		s->one = true;
		return true;
	case 'a':
		s->confirmed = true;
		return true;
	case 'g':
		s->tags = optarg;
		return true;
	case 'k':
		s->key = optarg;
		return true;
	case 'l':
		s->link = optarg;
		return true;
	case 'q':
		s->quiet = true;
		return true;
	case 't':
		s->title = optarg;
		return true;
	default:
		return false;
	}
}

static void
send_parse(struct send *s, int argc, char **argv)
{
	const char *url = NULL;
	int c;

	while ((c = getopt(argc, argv, "1ag:k:l:p:qt:u:w:")) != -1) {
		if (c == 'p') {
			send_number(c, 1, 5);
			s->priority = optarg;
		} else if (c == 'u') {
			url = optarg;
		} else if (c == 'w') {
			s->wait = send_number(c, 1, 86400);
		} else if (!send_take_option(s, c)) {
			mpush_usage();
		}
	}
	if (argc - optind < 1 || argc - optind > 2)
		mpush_usage();
	s->device = argv[optind];
	mpush_find_server(url, SEND_SERVER, &s->server);
}

int
mpush_send(int argc, char **argv)
{
	struct send s = { .title = "",
		.wait = SEND_WAIT,
		.status = MPUSH_EXIT_FAULT };
	char *input = NULL, *body;
	const char *text;
	size_t len;

	send_parse(&s, argc, argv);
	/* A title alone is a message too; nobody waits at a terminal for it. */
	text = argc - optind == 2   ? argv[optind + 1] :
	       isatty(STDIN_FILENO) ? "" :
				      "-";
	len = strlen(text);
	if (strcmp(text, "-") == 0)
		text = input = send_read_input(&len);
	body = send_make_body(&s, text, len);
	send_exchange(&s, body);
	free(body);
	free(input);
	return s.status;
}
