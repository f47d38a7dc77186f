/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages of the page in the language of its reader, out of the catalogues of gettext that are installed
 * with the program. */

#pragma once

#include <glib.h>

#include "lsobs/core/lsobs-buffer-private.h"

G_BEGIN_DECLS

/* Appends {lang, words, plurals, forms}, see routes-page.c. In English, they are empty.
 * @languages: (nullable): as in Accept-Language; hostile */
void word_list_put (LsobsBuffer *out, const char *languages);

/* Finds out which form of a message is for which number.
 * @rule: "nplurals=2; plural=(n != 1);", as in the head of a catalogue
 * Returns: (transfer full) (nullable): a digit for each of the numbers from 0 to 199; NULL if the rule is
 *   malformed, or has more than 9 forms */
char *word_list_dup_forms (const char *rule);

/* Finds the messages of a module of the page: the texts in calls of _ () and ngettext ().
 * @messages: (element-type utf8 utf8): a set, which they are added to */
void word_list_find_messages (const char *source, GHashTable *messages);

G_END_DECLS
