/* SPDX-License-Identifier: ISC */
/*
 * hook_alert - the notifications of Prometheus Alertmanager (webhook version
 * 4) and of Grafana, which speaks the same with a title and a message.
 * Pure: any thread.
 *
 * Content: a line an alert (what, where, severity, since when) and below it
 * what is its own, then what all have in common, then "+14 more" for those
 * that did not fit or were not sent.
 */
#ifndef MPUSHD_HOOK_ALERT_H
#define MPUSHD_HOOK_ALERT_H

#include <jansson.h>

struct hook_options;
struct hook_result;

/*
 * Fill in a result that is all zero but for its shape.  Return 0; -1 with
 * errno ENOMEM, and what is then in the result is still to be freed.
 */
int hook_alert_render_alertmanager(json_t *body, const struct hook_options *,
    struct hook_result *);
int hook_alert_render_grafana(json_t *body, const struct hook_options *,
    struct hook_result *);

#endif
