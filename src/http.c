/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "http.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf.h"
#include "conn.h"
#include "http_impl.h"
#include "http_reply.h"
#include "log.h"
#include "metrics.h"
#include "metrics_page.h"
#include "proto.h"
#include "push.h"
#include "session.h"
#include "worker.h"
#include "wskey.h"

#define HTTP_ALLOW      "GET, HEAD, POST, PUT, OPTIONS"
#define HTTP_ALLOW_PAGE "GET, HEAD"
#define HTTP_WITH_BODY                                                         \
	(EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |                   \
	    EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH | EVHTTP_REQ_OPTIONS)
#define HTTP_RETRY "5" /* seconds, where trying again helps */

/* True when one of a list of comma-separated values is TOKEN (RFC 9110 5.6.1). */
static bool
http_list_has(const char *list, const char *token)
{
	size_t len = strlen(token), n;

	for (;;) {
		list += strspn(list, ", \t");
		n = strcspn(list, ", \t;");
		if (n == 0 && *list != ';')
			return false;
		if (n == len && strncasecmp(list, token, len) == 0)
			return true;
		list += strcspn(list, ",");
	}
}

static void
http_scan_field(struct http_head *h, const char *name, const char *value)
{
	if (strcasecmp(name, "Connection") == 0) {
		h->upgrade |= http_list_has(value, "upgrade");
		h->close |= http_list_has(value, "close");
	} else if (strcasecmp(name, "Accept") == 0) {
		h->json |= http_list_has(value, "application/json");
	} else if (strcasecmp(name, "Content-Length") == 0) {
		h->length = value;
		h->lengths++;
	} else if (strcasecmp(name, "Content-Type") == 0) {
		h->type = h->type == NULL ? value : h->type;
	} else if (strcasecmp(name, "Content-Encoding") == 0) {
		h->encoded |=
		    *value != '\0' && strcasecmp(value, "identity") != 0;
	} else if (strcasecmp(name, "Priority") == 0) {
		h->priority = h->priority == NULL ? value : h->priority;
	} else if (strcasecmp(name, "Title") == 0) {
		h->title = h->title == NULL ? value : h->title;
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		h->coding = value;
		h->codings++;
	} else if (strcasecmp(name, "Upgrade") == 0) {
		h->websocket |= http_list_has(value, "websocket");
	} else if (strcasecmp(name, "Sec-WebSocket-Key") == 0) {
		h->key = value;
	} else if (strcasecmp(name, "Sec-WebSocket-Version") == 0) {
		h->version = value;
	}
}

static void
http_scan_head(struct evhttp_request *req, struct http_head *h)
{
	const struct evkeyval *kv;

	memset(h, 0, sizeof(*h));
	TAILQ_FOREACH (kv, evhttp_request_get_input_headers(req), next) {
		h->bad_name |= strpbrk(kv->key, " \t") != NULL;
		http_scan_field(h, kv->key, kv->value);
	}
}

static void
http_print_json(struct evbuffer *body, struct evhttp_request *req,
    const struct http_reply *r)
{
	char id[PROTO_ID_MAX + 1];
	size_t len = 0;

	if (push_parse_id(evhttp_request_get_uri(req), id, &len) != NULL)
		len = 0;
	/* Without memory it is cut; its length is what there is. */
	(void)http_reply_print_json(body, r, id, len);
}

static void
http_add_body(struct conn *c, const struct http_reply *r)
{
	struct evhttp_request *req = c->req;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	struct evbuffer *body = evhttp_request_get_output_buffer(req);
	const char *type = c->wants_json ? "application/json" : "text/plain";
	char digits[24];

	if (r->word == NULL ||
	    evhttp_request_get_command(req) == EVHTTP_REQ_HEAD)
		return;
	if (r->page != NULL)
		evbuffer_add_buffer(body, r->page);
	else if (c->wants_json)
		http_print_json(body, req, r);
	else
		evbuffer_add(body, r->word, strlen(r->word));
	evhttp_add_header(headers, "Content-Type",
	    r->page != NULL ? METRICS_PAGE_TYPE : type);
	/* evhttp would leave it out in HTTP/1.0, as nginx speaks it. */
	snprintf(digits, sizeof(digits), "%zu", evbuffer_get_length(body));
	evhttp_add_header(headers, "Content-Length", digits);
}

static void
http_add_headers(struct conn *c, const struct http_reply *r)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(c->req);

	/* evhttp would print it anew for each answer. */
	evhttp_add_header(headers, "Date", worker_date(c->conns->worker));
	if (r->code == 503)
		evhttp_add_header(headers, "Retry-After", HTTP_RETRY);
	if (r->allow != NULL)
		evhttp_add_header(headers, "Allow", r->allow);
	if (r->upgrade) {
		evhttp_add_header(headers, "Upgrade", "websocket");
		evhttp_add_header(headers, "Sec-WebSocket-Version", "13");
	}
	if (r->close || c->wants_close || worker_is_stopping(c->conns->worker))
		evhttp_add_header(headers, "Connection", "close");
}

void
http_reply(struct conn *c, const struct http_reply *r)
{
	struct evhttp_request *req = c->req;

	http_add_headers(c, r);
	http_add_body(c, r);
	c->req = NULL;
	c->state = CONN_READING;
	c->replied = c->served = true;
	c->last = r->close;
	c->request_bytes = evbuffer_get_length(bufferevent_get_input(c->bev));
	conn_release_large(c);
	conn_look_ahead(c);
	conn_set_deadline(c, worker_conf(c->conns->worker)->auth_timeout);
	conn_mark_dirty(c);
	c->answering = true;
	evhttp_send_reply(req, r->code, r->reason, NULL);
	c->answering = false;
}

static void
http_log_refusal(struct conn *c, int code, const char *error)
{
	metrics_count_refusal(http_reply_why(code));
	log_event(LOG_DEBUG,
	    LOG_FIELDS(log_text("peer", conn_peer(c)),
		log_number("status", (uint64_t)code)),
	    "http: refused: %s", error);
}

void
http_refuse(struct conn *c, int code, const char *error)
{
	struct http_reply r = { .code = code,
		.reason = http_reply_reason(code),
		.word = "no",
		.error = error };

	http_log_refusal(c, code, error);
	http_reply(c, &r);
}

static void
http_refuse_and_close(struct conn *c, int code, const char *error)
{
	struct http_reply r = { .code = code,
		.reason = http_reply_reason(code),
		.word = "no",
		.error = error,
		.close = true };

	http_log_refusal(c, code, error);
	http_reply(c, &r);
}

static void
http_refuse_method(struct conn *c, const char *allow)
{
	struct http_reply r = { .code = 405,
		.reason = http_reply_reason(405),
		.word = "no",
		.error = "this method is not allowed here",
		.allow = allow };

	metrics_count_refusal(METRICS_WHY_METHOD);
	/* Of others evhttp reads no body, or sends none and no length. */
	r.close = !(evhttp_request_get_command(c->req) & HTTP_WITH_BODY);
	http_reply(c, &r);
}

static void
http_on_options(struct conn *c, const char *allow)
{
	struct http_reply r = { .code = 204,
		.reason = http_reply_reason(204),
		.allow = allow };

	http_reply(c, &r);
}

static void
http_on_healthy(struct conn *c)
{
	http_reply(c, http_reply_of(ANSWER_OK));
}

/* Whether a push would be taken: else the answer that it would get. */
static enum answer
http_readiness(struct conn *c)
{
	if (worker_is_stopping(c->conns->worker))
		return ANSWER_STOPPING;
	if (worker_is_starting(c->conns->worker))
		return ANSWER_STARTING;
	return worker_store_fails(c->conns->worker) ? ANSWER_NOT_KEPT :
						      ANSWER_OK;
}

static void
http_on_ready(struct conn *c)
{
	http_reply(c, http_reply_of(http_readiness(c)));
}

static void
http_on_metrics(struct conn *c)
{
	struct evbuffer *page = evbuffer_new();
	struct metrics_page what = {
		.conf = worker_conf(c->conns->worker),
		.ready = http_readiness(c) == ANSWER_OK,
		.has_store = worker_has_store(c->conns->worker),
		.store_works = !worker_store_fails(c->conns->worker),
	};
	struct http_reply r = *http_reply_of(ANSWER_OK);

	if (page == NULL) {
		http_refuse(c, 503, "the server is short of memory");
		return;
	}
	metrics_page_print(page, &what);
	r.page = page;
	http_reply(c, &r);
	evbuffer_free(page);
}

static const struct http_page {
	const char *name;
	void (*serve)(struct conn *);
} http_pages[] = {
	{ "healthy", http_on_healthy },
	{ "metrics", http_on_metrics },
	{ "ready", http_on_ready },
};

/* The page that a path names, which is what follows "/-/"; NULL: none. */
static const struct http_page *
http_find_page(const char *path)
{
	size_t i, len = strcspn(path, "?#");

	for (i = 0; i < sizeof(http_pages) / sizeof(http_pages[0]); i++) {
		if (strlen(http_pages[i].name) == len &&
		    memcmp(http_pages[i].name, path, len) == 0)
			return &http_pages[i];
	}
	return NULL;
}

/* A page of the daemon's own; PATH is what follows "/-/". */
static void
http_on_page(struct conn *c, const char *path)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(c->req);
	const struct http_page *page = http_find_page(path);

	if (method == EVHTTP_REQ_OPTIONS)
		http_on_options(c, HTTP_ALLOW_PAGE);
	else if (page == NULL)
		http_refuse(c, 404, "there is no such page");
	else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD)
		http_refuse_method(c, HTTP_ALLOW_PAGE);
	else
		page->serve(c);
}

/*
 * Let go of what evhttp remembers of a request that will never be answered:
 * half a kilobyte for each idle device.  What is NULL evhttp does not free.
 */
static void
http_release_request(struct evhttp_request *req)
{
	evhttp_clear_headers(req->input_headers);
	free(req->uri);
	req->uri = NULL;
	if (req->uri_elems != NULL)
		evhttp_uri_free(req->uri_elems);
	req->uri_elems = NULL;
	evbuffer_free(req->input_buffer);
	req->input_buffer = NULL;
	evbuffer_free(req->output_buffer);
	req->output_buffer = NULL;
}

/* Write the 101. */
static void
http_switch_protocols(struct conn *c, const char *key)
{
	char accept[WSKEY_ACCEPT_SIZE];

	wskey_accept(key, accept);
	evbuffer_add_printf(bufferevent_get_output(c->bev),
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "Upgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    accept);
	conn_mark_dirty(c);
	http_release_request(c->req);
	c->req = NULL;
}

/* RFC 6455 4.2.1 */
static void
http_on_websocket(struct conn *c, const struct http_head *head)
{
	struct http_reply wrong_version = { .code = 426,
		.reason = http_reply_reason(426),
		.word = "no",
		.error = "this server speaks version 13 of the protocol",
		.upgrade = true };

	if (head->version == NULL || strcmp(head->version, "13") != 0)
		http_reply(c, &wrong_version);
	else if (head->key == NULL || !wskey_valid(head->key))
		http_refuse(c, 400,
		    "Sec-WebSocket-Key is not 16 bytes of base64");
	else if (worker_is_stopping(c->conns->worker))
		http_reply(c, http_reply_of(ANSWER_STOPPING));
	else if (session_open(c) == -1)
		http_reply(c, http_reply_of(ANSWER_NO_MEMORY));
	else
		http_switch_protocols(c, head->key);
}

/*
 * Why the length of a request's body is in doubt, or NULL.  evhttp takes the
 * first Content-Length and knows of no coding but chunked; what follows could
 * then be read as a request that nobody sent (RFC 9112 6.1, 11.2).
 */
static const char *
http_framing_fault(const struct evhttp_request *req, const struct http_head *h)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(req);

	if (h->coding != NULL && req->major == 1 && req->minor == 0)
		return "HTTP/1.0 has no Transfer-Encoding";
	if (h->coding != NULL && (h->lengths > 0 || h->codings > 1 ||
				     strcasecmp(h->coding, "chunked") != 0))
		return "Transfer-Encoding may only be chunked, without a "
		       "Content-Length";
	if (h->lengths > 1)
		return "there is more than one Content-Length";
	if (h->length != NULL &&
	    h->length[strspn(h->length, "0123456789")] != '\0')
		return "Content-Length is not a number";
	if (h->bad_name)
		return "there is white space before a colon in the header";
	if (method == EVHTTP_REQ_HEAD &&
	    (h->coding != NULL ||
		(h->length != NULL && strcmp(h->length, "0") != 0)))
		return "HEAD has no body";
	return NULL;
}

static void
http_route(struct conn *c, const struct http_head *head)
{
	const char *target = evhttp_request_get_uri(c->req);

	if (strncmp(target, "/-/", 3) == 0) {
		http_on_page(c, target + 3);
		return;
	}
	switch (evhttp_request_get_command(c->req)) {
	case EVHTTP_REQ_GET:
	case EVHTTP_REQ_POST:
	case EVHTTP_REQ_PUT:
		http_on_push(c, head);
		break;
	case EVHTTP_REQ_HEAD:
		http_on_head(c);
		break;
	case EVHTTP_REQ_OPTIONS:
		http_on_options(c, HTTP_ALLOW);
		break;
	default:
		http_refuse_method(c, HTTP_ALLOW);
	}
}

static void
http_on_request(struct evhttp_request *req, void *arg)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(req);
	struct conn *c = conns_of_request(arg, req);
	struct http_head head;
	const char *fault;

	if (c == NULL) {
		/* There was no memory for a conn when it was accepted. */
		evhttp_connection_free(evhttp_request_get_connection(req));
		return;
	}
	http_scan_head(req, &head);
	c->req = req;
	c->wants_json = head.json;
	c->wants_close = head.close;
	fault = http_framing_fault(req, &head);
	if (fault != NULL)
		http_refuse_and_close(c, 400, fault);
	else if (method == EVHTTP_REQ_GET && head.upgrade && head.websocket)
		http_on_websocket(c, &head);
	else
		http_route(c, &head);
}

static struct bufferevent *
http_on_accept(struct event_base *base, void *arg)
{
	return conns_new_bufferevent(arg, base);
}

void
http_setup(struct evhttp *http, void *arg, const struct conf *conf)
{
	evhttp_set_bevcb(http, http_on_accept, arg);
	evhttp_set_gencb(http, http_on_request, arg);
	evhttp_set_allowed_methods(http, UINT16_MAX);
	evhttp_set_max_headers_size(http, CONN_HEAD_MAX);
	evhttp_set_max_body_size(http, http_body_max(conf));
}

ev_ssize_t
http_body_large(const struct conf *conf)
{
	/* Twice, so that most of what is too large gets a full answer. */
	return (ev_ssize_t)conf->max_message * 2;
}

ev_ssize_t
http_body_max(const struct conf *conf)
{
	ev_ssize_t large = http_body_large(conf);

	return conf->max_webhook > large ? (ev_ssize_t)conf->max_webhook :
					   large;
}

/* The status code of what evhttp has put into the output. */
static int
http_foreign_code(struct evbuffer *out)
{
	char head[] = "HTTP/1.1 200 ";
	ev_ssize_t n;

	/* A bufferevent lets nobody else at the front of its output. */
	evbuffer_unfreeze(out, 1);
	n = evbuffer_copyout(out, head, sizeof(head) - 1);
	evbuffer_freeze(out, 1);
	if (n != (ev_ssize_t)sizeof(head) - 1)
		return 0;
	return atoi(head + strlen("HTTP/1.1 "));
}

void
http_replace_page(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	int code = http_foreign_code(out);

	if (code == 100)
		return;
	if (code == 400 && c->request_bytes > CONN_HEAD_MAX)
		code = 431;
	http_log_refusal(c, code, "not a request that can be read");
	conn_linger(c);
	evbuffer_unfreeze(out, 1);
	evbuffer_drain(out, evbuffer_get_length(out));
	evbuffer_freeze(out, 1);
	evbuffer_add_printf(out,
	    "HTTP/1.1 %d %s\r\n"
	    "Content-Type: text/plain\r\n"
	    "Content-Length: 2\r\n"
	    "Connection: close\r\n\r\nno",
	    code, http_reply_reason(code));
}

void
http_stop(struct conn *c)
{
	if (c->state == CONN_READING && c->request_bytes == 0 && !c->replied &&
	    evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		conn_close(c);
}
