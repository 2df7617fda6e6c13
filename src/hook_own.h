/* SPDX-License-Identifier: ISC */
/*
 * hook_own - the administrator's own templates in place of parts of what the
 * built-in rendering made of a webhook.
 * Pure: any thread.
 */
#ifndef MPUSHD_HOOK_OWN_H
#define MPUSHD_HOOK_OWN_H

#include <jansson.h>

struct conf_template;
struct hook_options;
struct hook_result;

/*
 * Render the parts that a template has, in place of those of the result.  A
 * title and a content that would both be empty replace nothing.  A priority is
 * a number from 1 to 5 or the name of a severity; what is neither, like what is
 * no link, is none.  Returns 0; -1 with errno ENOMEM, or E2BIG when a part
 * takes too many steps: the result is then what it was.
 */
int hook_own_render(const struct conf_template *, json_t *body,
    const struct hook_options *, struct hook_result *);

#endif
