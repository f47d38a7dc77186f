/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lines by which lists show the long texts of a run. They are made when the run is written, so
 * that a list reads no long text. */

#pragma once

#include "tools/store/run.h"

G_BEGIN_DECLS

/* Characters of a line at most. */
#define PREVIEW_MAX 200

/* Events of a run that are kept for lists at most. */
#define PREVIEW_MAX_EVENTS 50

typedef struct
{
  char *input;   /* (owned) (nullable), as all of these: of a root */
  char *output;  /* of a root */
  char *problem; /* the error */
  char *events;  /* JSON: an array of {name, time} */
} Preview;

/* Reads the lines of a run. What it does not have is NULL. */
gboolean preview_load (Store *store, gint64 seq, Preview *preview, GError **error);
void preview_clear (Preview *self);

/* Writes the lines of a run, if it has any: those of inputs and outputs of a root, of the error, and the events
 * but for tokens. In a transaction. @run: whole */
gboolean preview_write (Database *database, const Run *run, GError **error);
gboolean preview_remove (Database *database, gint64 seq, GError **error);
/* Writes those of all runs. */
gboolean preview_make_all (Database *database, GError **error);

/* The line for inputs or outputs: the text that a person would look for in them, such as the last message.
 * @json: sanitized
 * Returns: (transfer full) (nullable): NULL if there is nothing in it */
char *preview_dup_line (const char *json);
/* The line for a text, on one line and cut. Returns: (transfer full) (nullable) */
char *preview_dup_text_line (const char *text);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Preview, preview_clear)

G_END_DECLS
