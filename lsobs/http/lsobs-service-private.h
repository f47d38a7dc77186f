/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/spool/lsobs-spool-writer-private.h"
#include "lsobs/http/lsobs-project-ids-private.h"
#include "lsobs/http/lsobs-lookups-private.h"
#include "lsobs/http/lsobs-route-private.h"
#include "lsobs/http/lsobs-server-info-private.h"
#include "lsobs/text/lsobs-compressor-private.h"

G_BEGIN_DECLS

/* State shared by all requests of a client: how the service is reached, what it can do, what it
 * accepts at present, and when. Used only in the context that sends, except for the functions that
 * say so. */
typedef struct _LsobsService LsobsService;

LsobsService *_lsobs_service_new (LsobsSettings *settings);
LsobsService *_lsobs_service_ref (LsobsService *self);
void _lsobs_service_unref (LsobsService *self);
void _lsobs_service_set_counters (LsobsService *self, LsobsCounters *counters);
LsobsSettings *_lsobs_service_peek_settings (LsobsService *self);
LsobsCounters *_lsobs_service_peek_counters (LsobsService *self);
LsobsRoute *_lsobs_service_peek_route (LsobsService *self);
LsobsProjectIds *_lsobs_service_peek_project_ids (LsobsService *self);
void _lsobs_service_assert_context (LsobsService *self);
void _lsobs_service_enter (LsobsService *self);
void _lsobs_service_close (LsobsService *self);

/* What the service can do. */
void _lsobs_service_begin_upload (LsobsService *self);
void _lsobs_service_end_upload (LsobsService *self, gboolean answered);
gboolean _lsobs_service_is_known (LsobsService *self);
void _lsobs_service_await_known (LsobsService *self);
void _lsobs_service_set_waker (LsobsService *self, GSource *waker);
gboolean _lsobs_service_takes_feedback (LsobsService *self);
gboolean _lsobs_service_needs_project_id (LsobsService *self);
guint _lsobs_service_get_max_records (LsobsService *self);
gsize _lsobs_service_get_max_bytes (LsobsService *self);

/* Whether the service can be reached. */
gboolean _lsobs_service_is_reachable (LsobsService *self);
void _lsobs_service_set_reachable (LsobsService *self, gboolean reachable);
LsobsOutcome _lsobs_service_weigh (LsobsService *self, LsobsOutcome outcome, gboolean alone);

void _lsobs_service_set_problem (LsobsService *self, const char *problem);
char *_lsobs_service_dup_problem (LsobsService *self);

/* The endpoints. */
LsobsIngestMode _lsobs_service_get_mode (LsobsService *self);
LsobsIngestMode _lsobs_service_choose_mode (LsobsService *self);
gboolean _lsobs_service_fall_back (LsobsService *self, LsobsIngestMode missing);
void _lsobs_service_log_fallback (LsobsService *self,
                                  LsobsIngestMode missing,
                                  const char *missing_path,
                                  const char *path);
void _lsobs_service_prove (LsobsService *self, guint endpoint);
gboolean _lsobs_service_is_proven (LsobsService *self, guint endpoint);
void _lsobs_service_count_left_out (LsobsService *self, guint n_attachments, const char *path);

/* Compression. */
LsobsCompression _lsobs_service_get_compression (LsobsService *self);
GBytes *_lsobs_service_compress (LsobsService *self, GBytes *body, LsobsCompression *kind);
gboolean _lsobs_service_takes_compression (LsobsService *self);
void _lsobs_service_confirm_compression (LsobsService *self);
gboolean _lsobs_service_refuses_compression (LsobsService *self);
void _lsobs_service_refuse_compression (LsobsService *self);

/* When requests may be sent. */
void _lsobs_service_delay_until (LsobsService *self, gint64 until);
gint64 _lsobs_service_get_not_before (LsobsService *self);
void _lsobs_service_set_deadline (LsobsService *self, gint64 deadline);
void _lsobs_service_leave (LsobsService *self);
gboolean _lsobs_service_is_quiet (LsobsService *self, gboolean gives_up);
GCancellable *_lsobs_service_peek_waits (LsobsService *self);

/* Failed traces. */
void _lsobs_service_write_failed_trace (LsobsService *self,
                                        LsobsFailedTrace *trace,
                                        guint n_records);
gboolean _lsobs_service_may_spool (LsobsService *self);
gboolean _lsobs_service_await_spool (LsobsService *self, gint64 deadline);
void _lsobs_service_spool (LsobsService *self,
                           LsobsFailedTrace *trace,
                           guint n_records,
                           LsobsSpoolWriterFunc func,
                           gpointer data);
gboolean _lsobs_service_wait_written (LsobsService *self, gint64 deadline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsService, _lsobs_service_unref)

G_END_DECLS
