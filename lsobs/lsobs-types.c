/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-types.h"

/**
 * SECTION:lsobs-types
 * @title: Types
 * @short_description: enumerations used in several places
 *
 * Small types that more than one class uses.
 */

G_DEFINE_ENUM_TYPE (LsobsRunType, lsobs_run_type,
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_CHAIN, "chain"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_LLM, "llm"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_TOOL, "tool"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_RETRIEVER, "retriever"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_EMBEDDING, "embedding"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_PROMPT, "prompt"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_PARSER, "parser"))

G_DEFINE_ENUM_TYPE (LsobsRunStatus, lsobs_run_status,
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_STATUS_RUNNING, "running"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_STATUS_COMPLETED, "completed"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_STATUS_FAILED, "failed"))

G_DEFINE_ENUM_TYPE (LsobsIngestMode, lsobs_ingest_mode,
                    G_DEFINE_ENUM_VALUE (LSOBS_INGEST_MODE_AUTO, "auto"),
                    G_DEFINE_ENUM_VALUE (LSOBS_INGEST_MODE_MULTIPART, "multipart"),
                    G_DEFINE_ENUM_VALUE (LSOBS_INGEST_MODE_BATCH, "batch"),
                    G_DEFINE_ENUM_VALUE (LSOBS_INGEST_MODE_RUNS, "runs"))

G_DEFINE_ENUM_TYPE (LsobsCompression, lsobs_compression,
                    G_DEFINE_ENUM_VALUE (LSOBS_COMPRESSION_AUTO, "auto"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COMPRESSION_NONE, "none"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COMPRESSION_GZIP, "gzip"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COMPRESSION_ZSTD, "zstd"))

G_DEFINE_ENUM_TYPE (LsobsReplicaRole, lsobs_replica_role,
                    G_DEFINE_ENUM_VALUE (LSOBS_REPLICA_ROLE_AUTO, "auto"),
                    G_DEFINE_ENUM_VALUE (LSOBS_REPLICA_ROLE_PRIMARY, "primary"),
                    G_DEFINE_ENUM_VALUE (LSOBS_REPLICA_ROLE_SECONDARY, "secondary"))

G_DEFINE_ENUM_TYPE (LsobsState, lsobs_state,
                    G_DEFINE_ENUM_VALUE (LSOBS_STATE_OK, "ok"),
                    G_DEFINE_ENUM_VALUE (LSOBS_STATE_DEGRADED, "degraded"),
                    G_DEFINE_ENUM_VALUE (LSOBS_STATE_PAUSED, "paused"))
