/* SPDX-License-Identifier: ISC */
/*
 * hook_chat - bodies that are one message already, in the words of the program
 * that they were meant for; and any other JSON, as it is.
 * Pure: any thread.
 */
#ifndef MPUSHD_HOOK_CHAT_H
#define MPUSHD_HOOK_CHAT_H

#include <jansson.h>

struct hook_options;
struct hook_result;

/*
 * Each fills in a result that is all zero but for its shape.  Returns 0; -1
 * with errno ENOMEM, and what is then in the result is still to be freed.
 */

/* Uptime Kuma's webhook: what is down or up, and why. */
int hook_chat_render_kuma(json_t *body, const struct hook_options *,
    struct hook_result *);

/* Gotify, and Apprise, which speaks of a type where Gotify has a priority. */
int hook_chat_render_gotify(json_t *body, const struct hook_options *,
    struct hook_result *);

/* ServerChan: text (or title) is the title, desp the content. */
int hook_chat_render_serverchan(json_t *body, const struct hook_options *,
    struct hook_result *);

/* Slack's incoming webhook: text, blocks, attachments; mrkdwn becomes text. */
int hook_chat_render_slack(json_t *body, const struct hook_options *,
    struct hook_result *);

/* Bark. */
int hook_chat_render_bark(json_t *body, const struct hook_options *,
    struct hook_result *);

/* Any object: its JSON, indented, of 40 lines at most. */
int hook_chat_render_json(json_t *body, const struct hook_options *,
    struct hook_result *);

#endif
