/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "tevent.h"

#include <stdlib.h>

#include "check.h"
#include "conf.h"
#include "message.h"

static const struct {
	const char *name;
	size_t size;
} types[] = {
#define TEVENT_ROW(name, body, way, text)                                      \
	[TEVENT_##name] = { #name, sizeof(struct tevent_##body) },
	TEVENT_TABLE(TEVENT_ROW)
#undef TEVENT_ROW
};

void *
tevent_new(enum tevent_type type, size_t extra)
{
	struct tevent *ev;

	CHECK(type < TEVENT_TYPES);
	ev = calloc(1, types[type].size + extra);
	CHECK(ev != NULL);
	ev->type = type;
	return ev;
}

static void
tevent_free_items(struct tevent_deliver *d)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		message_unref(&d->item[i].message);
}

void
tevent_free(struct tevent **evp)
{
	struct tevent *ev = *evp;

	if (ev == NULL)
		return;
	switch (ev->type) {
	case TEVENT_CONF:
		conf_unref(&((struct tevent_conf *)ev)->conf);
		break;
	case TEVENT_PUSH:
		message_unref(&((struct tevent_push *)ev)->message);
		break;
	case TEVENT_KEEP:
	case TEVENT_KEPT:
		message_unref(&((struct tevent_keep *)ev)->message);
		break;
	case TEVENT_DELIVER:
		tevent_free_items((struct tevent_deliver *)ev);
		break;
	case TEVENT_ACK:
		free(((struct tevent_ack *)ev)->mids);
		break;
	default:
		break;
	}
	free(ev);
	*evp = NULL;
}

const char *
tevent_name(enum tevent_type type)
{
	return type < TEVENT_TYPES ? types[type].name : "?";
}
