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
 * @LSOBS_RUN_TYPE_CHAIN: any step, such as an agent, a node of a graph or a function
 * @LSOBS_RUN_TYPE_LLM: a call of a language model
 * @LSOBS_RUN_TYPE_TOOL: a call of a tool
 * @LSOBS_RUN_TYPE_RETRIEVER: a search for documents
 * @LSOBS_RUN_TYPE_EMBEDDING: a computation of embeddings
 * @LSOBS_RUN_TYPE_PROMPT: a prompt template that is filled in
 * @LSOBS_RUN_TYPE_PARSER: a parser for the answer of a model
 *
 * The type of a run. The service knows only these seven types.
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
 * @LSOBS_RUN_STATUS_RUNNING: the run has started, and has not ended
 * @LSOBS_RUN_STATUS_COMPLETED: the run has ended without an error
 * @LSOBS_RUN_STATUS_FAILED: the run has ended with an error
 *
 * The state of a run.
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
 * @LSOBS_INGEST_MODE_AUTO: the first one of `multipart`, `batch` and `runs` that the service offers
 * @LSOBS_INGEST_MODE_MULTIPART: many runs per request, `POST /runs/multipart`
 * @LSOBS_INGEST_MODE_BATCH: many runs per request, `POST /runs/batch`
 * @LSOBS_INGEST_MODE_RUNS: one run per request, `POST /runs` and `PATCH /runs/{id}`
 *
 * Which endpoints of the service runs are sent to. Only `multipart` can send attachments; the
 * others leave them out.
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
 * @LSOBS_COMPRESSION_AUTO: zstd or gzip, if the service offers it
 * @LSOBS_COMPRESSION_NONE: no compression
 * @LSOBS_COMPRESSION_GZIP: gzip, even if the service does not offer it
 * @LSOBS_COMPRESSION_ZSTD: zstd, even if the service does not offer it
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
 * @LSOBS_REPLICA_ROLE_AUTO: runs keep their ids if the replica has the project of the run;
 *   otherwise they get new ids
 * @LSOBS_REPLICA_ROLE_PRIMARY: runs keep their ids; only one replica can have this role
 * @LSOBS_REPLICA_ROLE_SECONDARY: runs get new ids, even if the replica has the project of the run
 *
 * Whether runs keep their ids at a replica. Two runs with the same id would be one run for the same
 * service.
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
 * @LSOBS_STATE_OK: the last batch was delivered, or no batch was sent yet
 * @LSOBS_STATE_DEGRADED: the last batch was lost; the next one is tried
 * @LSOBS_STATE_PAUSED: the service cannot be reached, or refuses everything (a wrong API key, a
 *   used-up limit, a wrong address), or the command of a profile returns no key; only probes are
 *   sent for some time, to find out whether this has changed; records are still queued
 *
 * The state of delivery.
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
