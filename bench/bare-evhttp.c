/* SPDX-License-Identifier: ISC */
/*
 * bare-evhttp - a floor: libevent's HTTP server, which answers `ok` to every
 * request and does nothing else.  Listens on a free port of 127.0.0.1, says
 * which on stderr, and runs until it is killed.
 */
#include "config.h"

#include <sys/socket.h>

#include <err.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static void
bare_answer(struct evhttp_request *request, void *arg)
{
	struct evbuffer *body = arg;

	evhttp_add_header(evhttp_request_get_output_headers(request),
	    "Content-Type", "text/plain");
	evbuffer_add_reference(body, "ok", 2, NULL, NULL);
	evhttp_send_reply(request, HTTP_OK, "OK", body);
}

/* Without locks and with batched epoll_ctl: libevent at its best. */
static struct event_base *
bare_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (config == NULL ||
	    event_config_set_flag(config,
		EVENT_BASE_FLAG_NOLOCK |
		    EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == -1 ||
	    (base = event_base_new_with_config(config)) == NULL)
		errx(1, "event_base");
	event_config_free(config);
	return base;
}

static in_port_t
bare_port(evutil_socket_t fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	if (getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "getsockname");
	return ntohs(sin.sin_port);
}

int
main(void)
{
	struct event_base *base = bare_base();
	struct evhttp *http = evhttp_new(base);
	struct evbuffer *body = evbuffer_new();
	struct evhttp_bound_socket *bound;

	if (http == NULL || body == NULL)
		errx(1, "evhttp");
	evhttp_set_gencb(http, bare_answer, body);
	bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
	if (bound == NULL)
		err(1, "bind");
	fprintf(stderr, "listening on http://127.0.0.1:%u\n",
	    bare_port(evhttp_bound_socket_get_fd(bound)));
	return event_base_dispatch(base) == -1;
}
