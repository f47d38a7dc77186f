/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(LSOBS_INSIDE) && !defined(LSOBS_COMPILATION)
# error "Only <lsobs/lsobs.h> can be included directly."
#endif

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <lsobs/lsobs-version-macros.h>

G_BEGIN_DECLS

/**
 * LsobsRunType:
 * @LSOBS_RUN_TYPE_CHAIN: a step of any kind: an agent, a graph node, a function
 * @LSOBS_RUN_TYPE_LLM: a call of a language model
 * @LSOBS_RUN_TYPE_TOOL: a call of a tool
 * @LSOBS_RUN_TYPE_RETRIEVER: a look-up of documents
 * @LSOBS_RUN_TYPE_EMBEDDING: a computation of embeddings
 * @LSOBS_RUN_TYPE_PROMPT: the filling of a prompt template
 * @LSOBS_RUN_TYPE_PARSER: the parsing of a model's answer
 *
 * What a run does. The service knows these seven words and no other.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_RUN_TYPE_CHAIN,
  LSOBS_RUN_TYPE_LLM,
  LSOBS_RUN_TYPE_TOOL,
  LSOBS_RUN_TYPE_RETRIEVER,
  LSOBS_RUN_TYPE_EMBEDDING,
  LSOBS_RUN_TYPE_PROMPT,
  LSOBS_RUN_TYPE_PARSER
} LsobsRunType;

#define LSOBS_TYPE_RUN_TYPE (lsobs_run_type_get_type ())

/**
 * LsobsRunStatus:
 * @LSOBS_RUN_STATUS_RUNNING: the run has started and not ended
 * @LSOBS_RUN_STATUS_COMPLETED: the run has ended without an error
 * @LSOBS_RUN_STATUS_FAILED: the run has ended with an error
 *
 * How far a run has come.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_RUN_STATUS_RUNNING,
  LSOBS_RUN_STATUS_COMPLETED,
  LSOBS_RUN_STATUS_FAILED
} LsobsRunStatus;

#define LSOBS_TYPE_RUN_STATUS (lsobs_run_status_get_type ())

/**
 * LsobsIngestMode:
 * @LSOBS_INGEST_MODE_AUTO: the best one that the service offers: `multipart`
 *   first, then `batch`, then `runs`
 * @LSOBS_INGEST_MODE_MULTIPART: many runs per request, `POST /runs/multipart`
 * @LSOBS_INGEST_MODE_BATCH: many runs per request, `POST /runs/batch`
 * @LSOBS_INGEST_MODE_RUNS: one run per request, `POST /runs` and `PATCH /runs/{id}`
 *
 * Which endpoints of the service the runs are sent to. Attachments travel by
 * `multipart` alone, and are left out otherwise.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_INGEST_MODE_AUTO,
  LSOBS_INGEST_MODE_MULTIPART,
  LSOBS_INGEST_MODE_BATCH,
  LSOBS_INGEST_MODE_RUNS
} LsobsIngestMode;

#define LSOBS_TYPE_INGEST_MODE (lsobs_ingest_mode_get_type ())

/**
 * LsobsCompression:
 * @LSOBS_COMPRESSION_AUTO: zstd or gzip, when the service offers it
 * @LSOBS_COMPRESSION_NONE: never
 * @LSOBS_COMPRESSION_GZIP: gzip, whether the service offers it or not
 * @LSOBS_COMPRESSION_ZSTD: zstd, whether the service offers it or not
 *
 * How the bodies of requests are compressed.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_COMPRESSION_AUTO,
  LSOBS_COMPRESSION_NONE,
  LSOBS_COMPRESSION_GZIP,
  LSOBS_COMPRESSION_ZSTD
} LsobsCompression;

#define LSOBS_TYPE_COMPRESSION (lsobs_compression_get_type ())

/**
 * LsobsReplicaRole:
 * @LSOBS_REPLICA_ROLE_AUTO: runs keep their ids if the project is their own, and get
 *   others otherwise
 * @LSOBS_REPLICA_ROLE_PRIMARY: runs keep their ids; at most one replica can be this
 * @LSOBS_REPLICA_ROLE_SECONDARY: runs get other ids, even if the project is their own
 *
 * Whether runs keep their ids in one of the places that they are written to. The same
 * service would take two runs of one id for the same run.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_REPLICA_ROLE_AUTO,
  LSOBS_REPLICA_ROLE_PRIMARY,
  LSOBS_REPLICA_ROLE_SECONDARY
} LsobsReplicaRole;

#define LSOBS_TYPE_REPLICA_ROLE (lsobs_replica_role_get_type ())

/**
 * LsobsState:
 * @LSOBS_STATE_OK: the last batch was delivered, or none was sent yet
 * @LSOBS_STATE_DEGRADED: the last batch was lost; the next one is tried
 * @LSOBS_STATE_PAUSED: the service refuses everything (a wrong key, a used-up
 *   quota, a wrong address), cannot be reached, or the command of a profile gives no
 *   key: for a while, only probes are sent to see whether that has changed; runs
 *   are still collected
 *
 * How delivery is going.
 *
 * Since: 0.1
 */
typedef enum
{
  LSOBS_STATE_OK,
  LSOBS_STATE_DEGRADED,
  LSOBS_STATE_PAUSED
} LsobsState;

#define LSOBS_TYPE_STATE (lsobs_state_get_type ())

LSOBS_AVAILABLE_IN_0_1
GType lsobs_run_type_get_type (void);
LSOBS_AVAILABLE_IN_0_1
const char *lsobs_run_type_to_string (LsobsRunType run_type);
LSOBS_AVAILABLE_IN_0_1
LsobsRunType lsobs_run_type_from_string (const char *word, gboolean *known);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_run_status_get_type (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_ingest_mode_get_type (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_compression_get_type (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_replica_role_get_type (void);
LSOBS_AVAILABLE_IN_0_1
GType lsobs_state_get_type (void);

G_END_DECLS
