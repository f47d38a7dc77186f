/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lsobs/lsobs-types.h"

/**
 * SECTION:lsobs-types
 * @title: Types
 * @short_description: enumerations that several classes use
 *
 * These enumerations are used by more than one class.
 */

G_DEFINE_ENUM_TYPE (LsobsRunType,
                    lsobs_run_type,
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_CHAIN, "chain"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_LLM, "llm"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_TOOL, "tool"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_RETRIEVER, "retriever"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_EMBEDDING, "embedding"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_PROMPT, "prompt"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_TYPE_PARSER, "parser"))

/* clang-format off */
static const char * const run_type_names[] = {
  [LSOBS_RUN_TYPE_CHAIN] = "chain",
  [LSOBS_RUN_TYPE_LLM] = "llm",
  [LSOBS_RUN_TYPE_TOOL] = "tool",
  [LSOBS_RUN_TYPE_RETRIEVER] = "retriever",
  [LSOBS_RUN_TYPE_EMBEDDING] = "embedding",
  [LSOBS_RUN_TYPE_PROMPT] = "prompt",
  [LSOBS_RUN_TYPE_PARSER] = "parser",
};
/* clang-format on */

G_DEFINE_ENUM_TYPE (LsobsRunStatus,
                    lsobs_run_status,
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_STATUS_RUNNING, "running"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_STATUS_COMPLETED, "completed"),
                    G_DEFINE_ENUM_VALUE (LSOBS_RUN_STATUS_FAILED, "failed"))

G_DEFINE_ENUM_TYPE (LsobsIngestMode,
                    lsobs_ingest_mode,
                    G_DEFINE_ENUM_VALUE (LSOBS_INGEST_MODE_AUTO, "auto"),
                    G_DEFINE_ENUM_VALUE (LSOBS_INGEST_MODE_MULTIPART, "multipart"),
                    G_DEFINE_ENUM_VALUE (LSOBS_INGEST_MODE_BATCH, "batch"),
                    G_DEFINE_ENUM_VALUE (LSOBS_INGEST_MODE_RUNS, "runs"))

G_DEFINE_ENUM_TYPE (LsobsCompression,
                    lsobs_compression,
                    G_DEFINE_ENUM_VALUE (LSOBS_COMPRESSION_AUTO, "auto"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COMPRESSION_NONE, "none"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COMPRESSION_GZIP, "gzip"),
                    G_DEFINE_ENUM_VALUE (LSOBS_COMPRESSION_ZSTD, "zstd"))

G_DEFINE_ENUM_TYPE (LsobsReplicaRole,
                    lsobs_replica_role,
                    G_DEFINE_ENUM_VALUE (LSOBS_REPLICA_ROLE_AUTO, "auto"),
                    G_DEFINE_ENUM_VALUE (LSOBS_REPLICA_ROLE_PRIMARY, "primary"),
                    G_DEFINE_ENUM_VALUE (LSOBS_REPLICA_ROLE_SECONDARY, "secondary"))

G_DEFINE_ENUM_TYPE (LsobsState,
                    lsobs_state,
                    G_DEFINE_ENUM_VALUE (LSOBS_STATE_OK, "ok"),
                    G_DEFINE_ENUM_VALUE (LSOBS_STATE_DEGRADED, "degraded"),
                    G_DEFINE_ENUM_VALUE (LSOBS_STATE_PAUSED, "paused"))

/**
 * lsobs_run_type_to_string:
 * @run_type: a type
 *
 * Gets the word that the service uses for a run type, such as `llm`.
 *
 * Returns: (transfer none): the word
 *
 * Since: 0.1
 */
const char *
lsobs_run_type_to_string (LsobsRunType run_type)
{
  g_return_val_if_fail ((guint) run_type < G_N_ELEMENTS (run_type_names), "chain");

  return run_type_names[run_type];
}

/**
 * lsobs_run_type_from_string:
 * @word: a word, in upper or lower case
 * @known: (out) (optional): return location for whether the service knows the word
 *
 * Gets the run type for a word. The service knows seven words; for all others, such as `agent` or
 * `node`, the type is %LSOBS_RUN_TYPE_CHAIN.
 *
 * Returns: the run type
 *
 * Since: 0.1
 */
LsobsRunType
lsobs_run_type_from_string (const char *word, gboolean *known)
{
  LsobsRunType run_type = LSOBS_RUN_TYPE_CHAIN;
  gboolean found = FALSE;

  g_return_val_if_fail (word != NULL, LSOBS_RUN_TYPE_CHAIN);

  for (guint i = 0; i < G_N_ELEMENTS (run_type_names) && !found; i++)
    {
      found = g_ascii_strcasecmp (word, run_type_names[i]) == 0;
      if (found)
        run_type = (LsobsRunType) i;
    }
  if (known != NULL)
    *known = found;
  return run_type;
}
