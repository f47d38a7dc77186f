/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define LSOBS_UUID_LEN    36 /* 8-4-4-4-12 */
#define LSOBS_TOKEN_LEN   32 /* 128 random bits */
#define LSOBS_STAMP_LEN   22 /* YYYYMMDDTHHMMSSffffffZ */
#define LSOBS_SEGMENT_LEN (LSOBS_STAMP_LEN + LSOBS_UUID_LEN)
#define LSOBS_ISO_LEN     27 /* YYYY-MM-DDTHH:MM:SS.ffffffZ */

/* The last time that can be written, at the end of the year 9999. */
#define LSOBS_MAX_TIME G_GINT64_CONSTANT (253402300799999999)

/* A UUID in binary form. */
typedef struct
{
  guint8 bytes[16];
} LsobsId;

/* One segment of a dotted order: the start time and the id of a run. */
typedef struct
{
  gint64 start_time; /* µs since 1970, UTC */
  LsobsId id;
} LsobsSegment;

void _lsobs_id_make (LsobsId *id, gint64 start_time);
void _lsobs_id_make_token (char *text);
gboolean _lsobs_id_parse (LsobsId *id, const char *text);
gboolean _lsobs_id_parse_text (LsobsId *id, const char *text);
gboolean _lsobs_id_parse_example (LsobsId *id, const char *text, GError **error);
void _lsobs_id_write (const LsobsId *id, char *text);
gboolean _lsobs_id_equal (const LsobsId *a, const LsobsId *b);
gboolean _lsobs_id_get_time (const LsobsId *id, gint64 *time_ms);
void _lsobs_id_remap (LsobsId *id, const char *project);

void _lsobs_time_write_iso (gint64 time_us, char *text);
gboolean _lsobs_time_parse_iso (const char *text, gint64 *time_us);

gboolean _lsobs_segment_parse (LsobsSegment *segment, const char *text);
void _lsobs_segment_write (const LsobsSegment *segment, char *text);

GArray *_lsobs_dotted_order_parse (const char *text, GError **error);
gboolean _lsobs_dotted_order_check (const char *dotted_order,
                                    const char *id,
                                    const char *trace_id,
                                    const char *parent_id,
                                    GError **error);
void _lsobs_dotted_order_remap (char *text, gsize len, const char *project);

G_END_DECLS
