/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/core/lsobs-counters-private.h"
#include "lsobs/http/lsobs-dump-private.h"
#include "lsobs/http/lsobs-key-wait-private.h"
#include "lsobs/http/lsobs-server-info-private.h"
#include "lsobs/http/lsobs-session-pool-private.h"
#include "lsobs/text/lsobs-compress-private.h"

G_BEGIN_DECLS

typedef struct _LsobsProjectIds LsobsProjectIds;

/* The way to it. Belongs to the thread that sends. */
typedef struct
{
  GTlsDatabase *database; /* (owned) (nullable) whom to trust, once that is read */
  GCancellable *loading;  /* (owned) (nullable) of the reading that is under way */
  GQueue waiting;         /* (element-type GTask) (owned) for it */
  guint n_loads;          /* readings so far */
  LsobsTrustSlot *slot;   /* (owned) (nullable) of the thread that reads */
} LsobsRoute;

/* The service at the other end, as one client knows it: the connections to it, and
 * what was learnt of it. */
typedef struct
{
  gatomicrefcount ref_count;
  LsobsSettings *settings; /* (owned) */
  LsobsCounters *counters; /* (owned) */
  int mode;                /* (atomic) LsobsIngestMode: what is used at present */
  LsobsDump *dump;         /* (owned) (nullable) (atomic) where lost requests go */
  guint max_records;       /* (atomic) that a request may hold */
  gsize max_bytes;         /* (atomic) that it may hold, before it is compressed */
  int compression;         /* (atomic) LsobsCompression: what bodies are compressed with */

  /* All below belongs to the thread that sends. */
  LsobsSessionPool *sessions; /* (owned) (nullable) */
  LsobsRoute route;
  guint epoch;                  /* the process that all of this belongs to */
  gint64 not_before;            /* monotonic, µs: nothing is sent earlier */
  gint64 deadline;              /* monotonic, µs: all sending ends then, or 0 for none */
  gint64 last_chance;           /* monotonic, µs: of what would wait for longer, or 0 */
  GCancellable *hurry;          /* (owned) (nullable) ends the waits between attempts */
  gint64 fallback_until;        /* monotonic, µs: then the best endpoint is tried again */
  LsobsServerInfo info;         /* what is assumed, until the service has said it */
  gboolean has_info;            /* it has */
  gboolean proven;              /* its last answer shows that it can be reached */
  gboolean doubted;             /* it is asked again whether it can be reached */
  gboolean info_settled;        /* it was asked once, whatever came of it */
  gboolean info_refused;        /* ... and has refused the key of the question */
  LsobsKeyWait key_wait;        /* of all questions */
  gint64 enough;                /* monotonic, µs: then nothing waits for its answer, or 0 */
  LsobsProjectIds *project_ids; /* (owned) (nullable) */
  GSource *waker;               /* (owned) (nullable) fires when there is news to wait for */
  gint64 ask_after;             /* monotonic, µs: then it may be asked again */
  GCancellable *asking;         /* (owned) (nullable) of the question that is under way */
  LsobsCompressor *compressor;  /* (owned) (nullable) */
  gboolean compression_works;   /* the service has taken a compressed request */
  gboolean compression_refused; /* it takes none, whatever it says */
  gboolean told_of_files;       /* that they are left out */
  guint told_of_missing;        /* bits of LsobsIngestMode: whose endpoints are not there */
} LsobsService;

LsobsService *_lsobs_service_new (LsobsSettings *settings);
LsobsService *_lsobs_service_ref (LsobsService *self);
void _lsobs_service_unref (LsobsService *self);
void _lsobs_service_set_counters (LsobsService *self, LsobsCounters *counters);

void _lsobs_service_enter (LsobsService *self);
SoupSession *_lsobs_service_get_session (LsobsService *self);
SoupMessage *_lsobs_service_new_message (LsobsService *self, const char *method, const char *path);
void _lsobs_service_ask (LsobsService *self);
void _lsobs_service_doubt (LsobsService *self);
gboolean _lsobs_service_is_known (LsobsService *self);
void _lsobs_service_await_known (LsobsService *self);
LsobsCredentialsState _lsobs_service_need_key (LsobsService *self);
gboolean _lsobs_service_refuses_key (LsobsService *self, SoupMessage *message, const char *answer);
void _lsobs_service_set_waker (LsobsService *self, GSource *waker);
void _lsobs_service_wake (LsobsService *self, gint64 time);
LsobsProjectIds *_lsobs_service_peek_project_ids (LsobsService *self);
void _lsobs_service_close (LsobsService *self);

guint _lsobs_service_get_max_records (LsobsService *self);
gsize _lsobs_service_get_max_bytes (LsobsService *self);
LsobsIngestMode _lsobs_service_get_mode (LsobsService *self);
LsobsIngestMode _lsobs_service_choose_mode (LsobsService *self);
gboolean _lsobs_service_takes_feedback (LsobsService *self);
gboolean _lsobs_service_fall_back (LsobsService *self, LsobsIngestMode missing);
void _lsobs_service_hold (LsobsService *self, gint64 until);
void _lsobs_service_hurry (LsobsService *self, gint64 deadline);
GCancellable *_lsobs_service_peek_hurry (LsobsService *self);

void _lsobs_service_dump (LsobsService *self, LsobsLostRequest *request, guint n_records);
gboolean _lsobs_service_wait_dumped (LsobsService *self, gint64 deadline);

LsobsCompression _lsobs_service_get_compression (LsobsService *self);
GBytes *_lsobs_service_compress (LsobsService *self, GBytes *body, LsobsCompression *kind);
void _lsobs_service_refuse_compression (LsobsService *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsService, _lsobs_service_unref)

G_END_DECLS
