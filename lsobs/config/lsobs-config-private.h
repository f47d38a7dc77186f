/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/config/lsobs-key-source-private.h"
#include "lsobs/config/lsobs-redact-hook-private.h"
#include "lsobs/config/lsobs-replica-private.h"
#include "lsobs/lsobs-config.h"

G_BEGIN_DECLS

#define LSOBS_DEFAULT_PROJECT_NAME "default"

/* The first pause when the service refuses all records, in ms. */
#define LSOBS_CONFIG_FIRST_PAUSE 60000

/* From a failure to the first probe whether the service is back, in ms. */
#define LSOBS_CONFIG_FIRST_PROBE 1000

/* Who has set a project or an agent: a later source outranks an earlier one. */
typedef enum
{
  LSOBS_ORIGIN_NONE,
  LSOBS_ORIGIN_ENVIRONMENT,
  LSOBS_ORIGIN_PROGRAM
} LsobsOrigin;

/* A redaction rule as the program gave it. */
typedef struct
{
  char *pattern;     /* (owned) */
  char *replacement; /* (owned) (nullable) */
} LsobsRuleText;

/* The values of all settings, each with a row in the table of lsobs-config.c, which knows how a
 * member is copied and freed. */
typedef struct
{
  char *api_url;           /* (owned) (nullable) */
  char *api_key;           /* (owned) (nullable) a secret; NULL in a copy */
  char *project_name;      /* (owned) (nullable) */
  char *agent_id;          /* (owned) (nullable) */
  char *agent_environment; /* (owned) (nullable) */
  char *workspace_id;      /* (owned) (nullable) */
  char *redact_regex;      /* (owned) (nullable) */
  LsobsSampler *sampler;   /* (owned) (nullable) */
  double sampling_rate;
  LsobsIngestMode ingest_mode;
  gboolean allow_plain_http;
  char *ca_file; /* (owned) (nullable) */
  gboolean redact_secrets;
  gboolean redact_pairs;
  gboolean hide_inputs;
  gboolean hide_outputs;
  gboolean hide_metadata;
  gboolean attach_inline_data;
  LsobsCompression compression;
  gint64 compression_level;
  gboolean tracing_enabled;
  gboolean trust_incoming_headers;
  char *failed_traces_dir; /* (owned) (nullable) */
  gint64 failed_traces_max_bytes;
  char *spool_dir; /* (owned) (nullable) in settings: also that of spool_enabled */
  gboolean spool_enabled;
  gint64 spool_max_bytes;
  gint64 spool_max_files;
  gint64 spool_max_age;
  gint64 spool_delay;
  char *revision_id; /* (owned) (nullable) */
  gint64 flush_interval;
  gint64 max_batch_size;
  gint64 max_batch_bytes;
  gint64 queue_capacity;
  gint64 max_queue_bytes;
  gint64 max_string_bytes;
  gint64 max_in_flight;
  gint64 max_attempts;
  gint64 retry_delay;
  gint64 request_timeout;
  gint64 shutdown_timeout;
  gint64 exit_timeout;
} LsobsConfigValues;

/* Other units read the members. Only lsobs-config.c writes them, but for first_pause and
 * first_probe, which tests set. */
struct _LsobsConfig
{
  GObject parent_instance;

  LsobsConfigValues values;

  /* Lists and functions, which are not properties. */
  GPtrArray *replicas;          /* (owned) (element-type LsobsReplica) */
  GPtrArray *redact_rules;      /* (owned) (element-type LsobsRuleText) */
  GPtrArray *redact_keys;       /* (owned) (element-type utf8) */
  LsobsRedactHook *redact_hook; /* (owned) (nullable) */

  /* Where values come from. */
  gboolean has_api_url;       /* api_url was set, even if to its default */
  LsobsKeySource *key_source; /* (owned) (nullable) gives the key if api_key is not set */
  LsobsOrigin agent_origin;
  LsobsOrigin project_origin;
  const char *project_variable; /* (nullable) static: the variable that names the project */
  GPtrArray *problems;          /* (owned) (element-type SettingError): values that are not
                                 * valid, and were read while tracing was off: errors if it is
                                 * turned on */

  /* For tests that cannot wait; without properties. */
  gint64 first_pause; /* ms */
  gint64 first_probe; /* ms */
};

typedef enum
{
  LSOBS_SETTING_TEXT,   /* char * */
  LSOBS_SETTING_SWITCH, /* gboolean */
  LSOBS_SETTING_NUMBER, /* gint64 */
  LSOBS_SETTING_SHARE,  /* double */
  LSOBS_SETTING_CHOICE, /* an enum */
  LSOBS_SETTING_OBJECT  /* GObject * */
} LsobsSettingType;

#define LSOBS_SETTING_MAX_VARIABLES 7

/* A row of the table: all that is known about a setting. */
typedef struct
{
  const char *name; /* of the property */
  LsobsSettingType type;
  gsize offset;               /* of the member of LsobsConfigValues */
  GType (*get_type) (void);   /* of a choice or an object */
  const char *initial_text;   /* (nullable) the default of a text */
  gint64 initial;             /* the default of another type */
  gint64 minimum, maximum;    /* of a number or a share */
  const char *unit;           /* (nullable) of a number */
  gboolean is_secret;         /* the property cannot be read */
  gboolean needs_trust;       /* the environment of a privileged program cannot set it */
  gboolean is_part_of_agent;  /* id and environment are read from the environment together */
  gboolean is_of_destination; /* each destination has a value of its own, and checks it */
  gint64 variable_factor;     /* the value of a variable times this is the number; 0: once */
  int choice_when_on;         /* the choice of a variable that is a switch */
  void (*set) (LsobsConfig *self, const char *text); /* (nullable) if set_text() is not enough */

  /* (nullable) what the range does not say. @value: of the type, as a pointer to the member */
  gboolean (*check) (LsobsConfig *self, gconstpointer value, GError **error);

  /* (nullable) the text that LsobsSettings gets. Returns: (transfer full) (nullable) */
  char *(*normalize) (const char *text);

  /* (array zero-terminated=1): of the environment; the first one that is set counts */
  const char *variables[LSOBS_SETTING_MAX_VARIABLES + 1];
} LsobsSetting;

const LsobsSetting *_lsobs_config_get_settings (guint *n_settings);
const LsobsSetting *_lsobs_config_find_setting (const char *name);
void _lsobs_config_set_setting (LsobsConfig *self,
                                const LsobsSetting *setting,
                                const GValue *value);
gboolean _lsobs_config_check_text (LsobsConfig *self,
                                   const char *name,
                                   const char *text,
                                   GError **error);
gboolean _lsobs_config_check_number (const LsobsSetting *setting, gint64 number, GError **error);
gboolean _lsobs_config_check_values (LsobsConfig *self, GError **error);
gboolean _lsobs_config_fits_share (const LsobsSetting *setting, double share);
void _lsobs_config_copy_values (LsobsConfig *self, LsobsConfigValues *copy);
void _lsobs_config_clear_values (LsobsConfigValues *values);

void _lsobs_config_take_key_source (LsobsConfig *self, LsobsKeySource *source);
void _lsobs_config_take_problem (LsobsConfig *self, const LsobsSetting *setting, GError *problem);
gboolean _lsobs_config_check_problems (LsobsConfig *self, GError **error);
void _lsobs_config_take_replica (LsobsConfig *self, LsobsReplica *replica);
void _lsobs_config_set_target_from_environment (LsobsConfig *self,
                                                const char *project_variable,
                                                gboolean agent_outranks_project);

G_END_DECLS
