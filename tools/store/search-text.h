/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The index for searches: the words of names, inputs, outputs, errors, tags and metadata. The index
 * has no copy of the texts. To remove a run, its texts are made again from the stored run. */

#pragma once

#include "tools/store/database.h"

G_BEGIN_DECLS

/* Words after this many bytes of the inputs, the outputs or the error are not found. Tags and
 * metadata are whole, as filters look for them in the index first. */
#define SEARCH_TEXT_MAX (256 * 1024)

/* The parts of a run that a search looks at, each of which may be NULL. JSON is sanitized. */
typedef struct
{
  const char *name;
  const char *inputs;  /* JSON */
  const char *outputs; /* JSON */
  const char *error;
  const char *extra; /* JSON: its member metadata counts */
  const char *tags;  /* JSON */
} SearchText;

gboolean search_text_add (Database *database, gint64 seq, const SearchText *text, GError **error);
/* @text: what was added for @seq */
gboolean search_text_remove (Database *database,
                             gint64 seq,
                             const SearchText *text,
                             GError **error);
gboolean search_text_equal (const SearchText *a, const SearchText *b);
/* Adds all runs to an empty index. */
gboolean search_text_index_all (Database *database, GError **error);

/* Returns: (transfer full) (nullable): the words of @text as an expression of FTS5, which finds runs
 *   with all of them; what is between double quotes is a phrase. NULL if there is no word.
 * @column: (nullable): where to look */
char *search_text_make_query (const char *column, const char *text);

/* Returns: (transfer full) (nullable): likewise, but @text as a whole is one phrase */
char *search_text_make_phrase (const char *column, const char *text);

G_END_DECLS
