/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "mpush_url.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* What follows the scheme, or NULL with *FAULT set. */
static const char *
mpush_url_skip_scheme(const char *text, const char **fault)
{
	const char *rest = strstr(text, "://");
	size_t len = rest == NULL ? 0 : (size_t)(rest - text);

	*fault = "it must begin with ws:// or http://";
	if (rest == NULL)
		return NULL;
	if ((len == 3 && strncasecmp(text, "wss", len) == 0) ||
	    (len == 5 && strncasecmp(text, "https", len) == 0)) {
		*fault = "TLS is not supported: use ws:// or http://, through "
			 "a tunnel if need be";
		return NULL;
	}
	if ((len == 2 && strncasecmp(text, "ws", len) == 0) ||
	    (len == 4 && strncasecmp(text, "http", len) == 0))
		return rest + strlen("://");
	return NULL;
}

/* Copy the host to U; returns what follows it, or NULL. */
static const char *
mpush_url_take_host(const char *p, struct mpush_url *u)
{
	const char *end;
	size_t len;

	if (*p == '[') {
		end = strchr(++p, ']');
		if (end == NULL)
			return NULL;
	} else {
		end = p + strcspn(p, ":/?#");
	}
	len = (size_t)(end - p);
	if (len == 0)
		return NULL;
	memcpy(u->host, p, len);
	u->host[len] = '\0';
	return *end == ']' ? end + 1 : end;
}

/* Read ":PORT"; returns what follows it, or NULL. */
static const char *
mpush_url_take_port(const char *p, struct mpush_url *u)
{
	size_t len = strcspn(p + 1, "/?#");
	const char *fault;
	char digits[6];

	if (len >= sizeof(digits))
		return NULL;
	memcpy(digits, p + 1, len);
	digits[len] = '\0';
	u->port = (uint16_t)strtonum(digits, 1, UINT16_MAX, &fault);
	return fault == NULL ? p + 1 + len : NULL;
}

const char *
mpush_url_parse(const char *text, uint16_t default_port, struct mpush_url *u)
{
	const char *p, *fault;
	size_t len;

	if (strlen(text) >= MPUSH_URL_MAX)
		return "it is too long";
	p = mpush_url_skip_scheme(text, &fault);
	if (p == NULL)
		return fault;
	p = mpush_url_take_host(p, u);
	if (p == NULL)
		return "there is no host in it";
	u->port = default_port;
	if (*p == ':' && (p = mpush_url_take_port(p, u)) == NULL)
		return "its port is not a number from 1 to 65535";
	if (*p != '/' && *p != '\0')
		return "it may have a path, but no query and no fragment";
	if (strpbrk(p, "?# \t\r\n") != NULL)
		return "it may have a path, but no query and no fragment";
	strlcpy(u->path, p, sizeof(u->path));
	for (len = strlen(u->path); len > 0 && u->path[len - 1] == '/'; len--)
		u->path[len - 1] = '\0';
	return NULL;
}
