/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/core/lsobs-stats-private.h"
#include "lsobs/http/lsobs-dump-private.h"
#include "lsobs/http/lsobs-project-ids-private.h"
#include "lsobs/http/lsobs-questions-private.h"
#include "lsobs/http/lsobs-route-private.h"
#include "lsobs/http/lsobs-server-info-private.h"
#include "lsobs/text/lsobs-compress-private.h"

G_BEGIN_DECLS

/* Only lsobs-service.c and its unit test include this file. */
struct _LsobsService
{
  gatomicrefcount ref_count;
  LsobsSettings *settings; /* (owned) */
  LsobsCounters *counters; /* (owned) */
  int mode;                /* (atomic) LsobsIngestMode: used at present */
  int compression;         /* (atomic) LsobsCompression: used at present for multipart requests */
  guint max_records;       /* (atomic) of a request */
  guint max_bytes;         /* (atomic) of a request, before it is compressed */
  LsobsDump *dump;         /* (owned) (nullable) (atomic) where lost requests are kept */

  /* All fields below belong to the thread that sends. */
  guint epoch;                  /* the process that they belong to */
  LsobsRoute *route;            /* (owned) */
  LsobsQuestions *questions;    /* (owned) */
  LsobsProjectIds *project_ids; /* (owned) */

  /* what it can do */
  LsobsServerInfo info; /* assumed, until has_info */
  gboolean has_info;    /* the service has answered /info */
  gboolean info_asked;  /* /info was requested */
  gboolean key_refused; /* by the last reply to /info */
  GCancellable *asking; /* (owned) (nullable) of the request for /info under way */
  gint64 ask_after;     /* monotonic, µs: /info is not requested earlier */
  gint64 known_at;      /* monotonic, µs: from then on nothing waits for /info; or 0 */

  /* whether it can be reached */
  gboolean reachable; /* the last answer came from the service itself */
  gboolean doubted;   /* /info is requested again */

  /* when it is sent to */
  gint64 not_before;   /* monotonic, µs: nothing is sent earlier */
  gint64 deadline;     /* monotonic, µs: sending ends, or 0 */
  gint64 last_chance;  /* monotonic, µs: see _lsobs_delivery_policy_before_end() */
  GCancellable *waits; /* (owned) (nullable) ends the waits between attempts */

  /* how it is sent to */
  gint64 fallback_until;        /* monotonic, µs: then the best endpoint is tried again; or 0 */
  LsobsCompressor *compressor;  /* (owned) (nullable) */
  gboolean compression_works;   /* the service has accepted a compressed request */
  gboolean compression_refused; /* the service has refused a compressed request */
  gboolean logged_left_out;     /* that attachments are left out */
  guint logged_missing;         /* bits of LsobsIngestMode: of missing endpoints */
};

G_END_DECLS
