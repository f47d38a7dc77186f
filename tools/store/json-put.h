/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Members of a JSON object, appended one after the other. A comma is put where the last byte needs one. */

#pragma once

#include "lsobs/core/lsobs-buffer-private.h"
#include "lsobs/core/lsobs-id-private.h"

G_BEGIN_DECLS

/* @name: (nullable): in an array */
void json_put_name (LsobsBuffer *out, const char *name);
/* @json: (nullable): JSON text; NULL becomes null */
void json_put_json (LsobsBuffer *out, const char *name, const char *json);
void json_put_text (LsobsBuffer *out, const char *name, const char *text);
void json_put_int (LsobsBuffer *out, const char *name, gint64 value);
void json_put_double (LsobsBuffer *out, const char *name, double value);
void json_put_boolean (LsobsBuffer *out, const char *name, gboolean value);
/* @id: (nullable) */
void json_put_id (LsobsBuffer *out, const char *name, const LsobsId *id);
/* @time: µs, or TIME_NONE, which becomes null */
void json_put_time (LsobsBuffer *out, const char *name, gint64 time);
/* @time: µs, or TIME_NONE; written as seconds */
void json_put_seconds (LsobsBuffer *out, const char *name, gint64 time);
/* A cost as a text with a decimal number; null if it is 0. */
void json_put_cost (LsobsBuffer *out, const char *name, double cost);

static inline void
json_put_begin (LsobsBuffer *out, const char *name, char bracket)
{
  json_put_name (out, name);
  _lsobs_buffer_append_c (out, bracket);
}

static inline void
json_put_end (LsobsBuffer *out, char bracket)
{
  _lsobs_buffer_append_c (out, bracket);
}

G_END_DECLS
