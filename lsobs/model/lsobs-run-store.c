/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/core/lsobs-lock-private.h"
#include "lsobs/model/lsobs-run-store-private.h"

/**
 * SECTION:lsobs-run-store
 * @title: LsobsRunStore
 * @short_description: knows the states of runs by their ids
 *
 * A run store knows the states of runs by their ids. These rules apply to updates:
 *
 * - an update without an error completes a running run, and an update with an error fails it;
 * - a failed run stays failed, and keeps its first error;
 * - a completed run stays completed, even if an update has an error;
 * - an unknown run counts as running.
 *
 * The store is bounded. When it is full, it forgets the run whose last change is the oldest; first
 * one that has ended. Any thread can use it.
 */

/* The number of finished runs whose ids are remembered. */
#define MAX_FINISHED 1000

/* The size of all annotations together. */
#define MAX_ANNOTATION_BYTES (16 * 1024 * 1024)

typedef struct
{
  LsobsId id;
  LsobsRunStatus status;
  char *error_text;              /* (owned) (nullable) */
  LsobsRunInfo *info;            /* (owned) (nullable) */
  LsobsAnnotations *annotations; /* (owned) (nullable) shared with the records of the run */
  gsize n_bytes;                 /* size of the annotations */
  gboolean forgotten;            /* the annotations were dropped for want of room */
  GList annotated_link;          /* in the store's @annotated, if there are annotations */
  LsobsRunStore *store;          /* (unowned) */
  GQueue *list;                  /* (unowned) the queue that @link is in */
  GList link;
} Entry;

struct _LsobsRunStore
{
  GObject parent_instance;

  guint capacity; /* construct-only */

  GMutex lock;         /* guards all members below */
  GHashTable *entries; /* (element-type LsobsId Entry) (owned) */
  GQueue running;      /* of Entry, the least recently changed first */
  GQueue ended;        /* of Entry, the least recently changed first */
  GQueue annotated;    /* of Entry, the least recently annotated first */
  gsize n_bytes;       /* size of all annotations */

  LsobsId *finished_ids; /* (owned) (nullable) (array length=MAX_FINISHED) a ring */
  guint next_finished;   /* index in the ring */
  GHashTable *finished;  /* (element-type LsobsId) (owned) the used members of the ring */
};

typedef enum
{
  PROP_CAPACITY = 1
} LsobsRunStoreProperty;
static GParamSpec *props[PROP_CAPACITY + 1] = { NULL };

G_DEFINE_FINAL_TYPE (LsobsRunStore, lsobs_run_store, G_TYPE_OBJECT)

G_DEFINE_BOXED_TYPE (LsobsRunUpdateDecision,
                     lsobs_run_update_decision,
                     lsobs_run_update_decision_copy,
                     lsobs_run_update_decision_free)
G_DEFINE_BOXED_TYPE (LsobsRunMetadata,
                     lsobs_run_metadata,
                     lsobs_run_metadata_copy,
                     lsobs_run_metadata_free)

#define DEFAULT_CAPACITY 10000

static void
drop_annotations_unlocked (LsobsRunStore *self, Entry *entry)
{
  if (entry->annotations == NULL)
    return;
  g_queue_unlink (&self->annotated, &entry->annotated_link);
  self->n_bytes -= entry->n_bytes;
  g_clear_pointer (&entry->annotations, _lsobs_annotations_unref);
}

/* Called with the lock held, or when the store is finalized. */
static void
entry_free_unlocked (gpointer data)
{
  Entry *entry = data;

  drop_annotations_unlocked (entry->store, entry);
  g_queue_unlink (entry->list, &entry->link);
  g_free (entry->error_text);
  g_clear_pointer (&entry->info, _lsobs_run_info_unref);
  g_free (entry);
}

/* Uses the last bytes, which are random in a version 7 UUID. */
static guint
id_hash (gconstpointer key)
{
  guint hash;

  memcpy (&hash, ((const LsobsId *) key)->bytes + 12, sizeof hash);
  return hash;
}

static gboolean
id_equal (gconstpointer a, gconstpointer b)
{
  return _lsobs_id_equal (a, b);
}

static void
lsobs_run_store_finalize (GObject *object)
{
  LsobsRunStore *self = LSOBS_RUN_STORE (object);

  g_hash_table_unref (self->entries);
  g_hash_table_unref (self->finished);
  g_free (self->finished_ids);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (lsobs_run_store_parent_class)->finalize (object);
}

static void
lsobs_run_store_get_property (GObject *object, guint prop_id, GValue *value, GParamSpec *pspec)
{
  LsobsRunStore *self = LSOBS_RUN_STORE (object);

  switch ((LsobsRunStoreProperty) prop_id)
    {
    case PROP_CAPACITY:
      g_value_set_uint (value, self->capacity);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_run_store_set_property (GObject *object,
                              guint prop_id,
                              const GValue *value,
                              GParamSpec *pspec)
{
  LsobsRunStore *self = LSOBS_RUN_STORE (object);

  switch ((LsobsRunStoreProperty) prop_id)
    {
    case PROP_CAPACITY:
      self->capacity = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_run_store_class_init (LsobsRunStoreClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = lsobs_run_store_finalize;
  object_class->get_property = lsobs_run_store_get_property;
  object_class->set_property = lsobs_run_store_set_property;

  /**
   * LsobsRunStore:capacity:
   *
   * The maximum number of runs that the store knows, at least 1. Can only be set when the store is
   * created.
   *
   * Since: 0.1
   */
  props[PROP_CAPACITY] =
      g_param_spec_uint ("capacity", "", "", 1, G_MAXUINT, DEFAULT_CAPACITY,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, G_N_ELEMENTS (props), props);
}

static void
lsobs_run_store_init (LsobsRunStore *self)
{
  g_mutex_init (&self->lock);
  self->entries = g_hash_table_new_full (id_hash, id_equal, NULL, entry_free_unlocked);
  self->finished = g_hash_table_new (id_hash, id_equal);
}

/* Marks the entry as the most recently changed. */
static void
put_last_unlocked (LsobsRunStore *self, Entry *entry)
{
  g_queue_unlink (entry->list, &entry->link);
  entry->list = entry->status == LSOBS_RUN_STATUS_RUNNING ? &self->running : &self->ended;
  g_queue_push_tail_link (entry->list, &entry->link);
}

/* Adds an entry, which replaces others if the store is full. */
static Entry *
add_entry_unlocked (LsobsRunStore *self, const LsobsId *id)
{
  Entry *entry = g_new0 (Entry, 1);

  while (g_hash_table_size (self->entries) >= self->capacity)
    {
      GQueue *list = self->ended.length > 0 ? &self->ended : &self->running;

      g_hash_table_remove (self->entries, &((Entry *) list->head->data)->id);
    }
  entry->id = *id;
  entry->store = self;
  entry->link.data = entry;
  entry->annotated_link.data = entry;
  entry->list = &self->running;
  g_queue_push_tail_link (entry->list, &entry->link);
  g_hash_table_add (self->entries, entry);
  return entry;
}

/* Returns: (transfer none) (nullable) */
static Entry *
find_entry_unlocked (LsobsRunStore *self, const char *id)
{
  LsobsId parsed;

  if (!_lsobs_id_parse_text (&parsed, id))
    return NULL;
  return g_hash_table_lookup (self->entries, &parsed);
}

/**
 * lsobs_run_store_new:
 * @capacity: the maximum number of runs, at least 1
 *
 * Creates an empty store.
 *
 * Returns: (transfer full): a new store
 *
 * Since: 0.1
 */
LsobsRunStore *
lsobs_run_store_new (guint capacity)
{
  g_return_val_if_fail (capacity >= 1, NULL);

  return g_object_new (LSOBS_TYPE_RUN_STORE, "capacity", capacity, NULL);
}

/**
 * lsobs_run_store_start:
 * @self: a store
 * @id: the id of a run, a UUID
 *
 * Adds a run that has started.
 *
 * Returns: %TRUE if the store has added the run; %FALSE if it knew the run already, whose state
 *   does not change, or if @id is not a UUID
 *
 * Since: 0.1
 */
gboolean
lsobs_run_store_start (LsobsRunStore *self, const char *id)
{
  LsobsId parsed;
  gboolean added;

  g_return_val_if_fail (LSOBS_IS_RUN_STORE (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);

  if (!_lsobs_id_parse_text (&parsed, id))
    return FALSE;
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  added = g_hash_table_lookup (self->entries, &parsed) == NULL;
  if (added)
    add_entry_unlocked (self, &parsed);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
  return added;
}

/**
 * lsobs_run_store_update:
 * @self: a store
 * @id: the id of a run, a UUID
 * @error_text: (nullable): the error that the run has failed with, or %NULL
 *
 * Ends a run, by the rules above.
 *
 * Returns: (transfer full) (nullable): the result of the update, or %NULL if @id is not a UUID
 *
 * Since: 0.1
 */
LsobsRunUpdateDecision *
lsobs_run_store_update (LsobsRunStore *self, const char *id, const char *error_text)
{
  LsobsRunUpdateDecision *decision;
  LsobsId parsed;
  Entry *entry;

  g_return_val_if_fail (LSOBS_IS_RUN_STORE (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);

  if (!_lsobs_id_parse_text (&parsed, id))
    return NULL;
  decision = g_new0 (LsobsRunUpdateDecision, 1);
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  entry = g_hash_table_lookup (self->entries, &parsed);
  decision->known = entry != NULL;
  if (entry == NULL)
    entry = add_entry_unlocked (self, &parsed);
  decision->first = entry->status == LSOBS_RUN_STATUS_RUNNING;
  if (decision->first)
    {
      entry->status = error_text != NULL ? LSOBS_RUN_STATUS_FAILED : LSOBS_RUN_STATUS_COMPLETED;
      entry->error_text = g_strdup (error_text);
    }
  put_last_unlocked (self, entry);
  decision->status = entry->status;
  decision->error_text = g_strdup (entry->error_text);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
  return decision;
}

/**
 * lsobs_run_store_lookup:
 * @self: a store
 * @id: the id of a run, a UUID
 *
 * Gets the state of a run.
 *
 * Returns: (transfer full) (nullable): the state of the run, or %NULL if the run is unknown
 *
 * Since: 0.1
 */
LsobsRunMetadata *
lsobs_run_store_lookup (LsobsRunStore *self, const char *id)
{
  LsobsRunMetadata *metadata = NULL;
  Entry *entry;

  g_return_val_if_fail (LSOBS_IS_RUN_STORE (self), NULL);
  g_return_val_if_fail (id != NULL, NULL);

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  entry = find_entry_unlocked (self, id);
  if (entry != NULL)
    {
      metadata = g_new0 (LsobsRunMetadata, 1);
      metadata->status = entry->status;
      metadata->error_text = g_strdup (entry->error_text);
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
  return metadata;
}

/**
 * lsobs_run_store_forget:
 * @self: a store
 * @id: the id of a run, a UUID
 *
 * Removes a run from the store.
 *
 * Returns: %TRUE if the store knew the run
 *
 * Since: 0.1
 */
gboolean
lsobs_run_store_forget (LsobsRunStore *self, const char *id)
{
  Entry *entry;

  g_return_val_if_fail (LSOBS_IS_RUN_STORE (self), FALSE);
  g_return_val_if_fail (id != NULL, FALSE);

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  entry = find_entry_unlocked (self, id);
  if (entry != NULL)
    g_hash_table_remove (self->entries, entry);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
  return entry != NULL;
}

/**
 * lsobs_run_store_get_size:
 * @self: a store
 *
 * Gets how many runs the store knows.
 *
 * Returns: the number of runs, from 0 to #LsobsRunStore:capacity
 *
 * Since: 0.1
 */
guint
lsobs_run_store_get_size (LsobsRunStore *self)
{
  guint size;

  g_return_val_if_fail (LSOBS_IS_RUN_STORE (self), 0);

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  size = g_hash_table_size (self->entries);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
  return size;
}

/**
 * lsobs_run_store_get_capacity:
 * @self: a store
 *
 * Gets the maximum number of runs that the store knows.
 *
 * Returns: the number of runs, at least 1
 *
 * Since: 0.1
 */
guint
lsobs_run_store_get_capacity (LsobsRunStore *self)
{
  g_return_val_if_fail (LSOBS_IS_RUN_STORE (self), 0);

  return self->capacity;
}

void
_lsobs_run_store_set_info (LsobsRunStore *self, const char *id, LsobsRunInfo *info)
{
  Entry *entry;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  entry = find_entry_unlocked (self, id);
  if (entry != NULL)
    {
      g_clear_pointer (&entry->info, _lsobs_run_info_unref);
      entry->info = _lsobs_run_info_ref (info);
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
}

/* Returns: (transfer full) (nullable) */
LsobsRunInfo *
_lsobs_run_store_dup_info (LsobsRunStore *self, const char *id)
{
  LsobsRunInfo *info = NULL;
  Entry *entry;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  entry = find_entry_unlocked (self, id);
  if (entry != NULL && entry->info != NULL)
    info = _lsobs_run_info_ref (entry->info);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
  return info;
}

/* @add: whether to make annotations if there are none
 * @forgotten: (out): whether the run had annotations that were dropped for want of room
 * Returns: (transfer full) (nullable): the annotations of the run */
LsobsAnnotations *
_lsobs_run_store_dup_annotations (LsobsRunStore *self,
                                  const char *id,
                                  gboolean add,
                                  gboolean *forgotten)
{
  LsobsAnnotations *annotations = NULL;
  Entry *entry;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  entry = find_entry_unlocked (self, id);
  *forgotten = entry != NULL && entry->forgotten;
  if (entry != NULL && entry->annotations == NULL && add && !entry->forgotten)
    {
      entry->annotations = _lsobs_annotations_new ();
      entry->n_bytes = 0;
      g_queue_push_tail_link (&self->annotated, &entry->annotated_link);
    }
  if (entry != NULL && entry->annotations != NULL)
    annotations = _lsobs_annotations_ref (entry->annotations);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
  return annotations;
}

/* Tells the store the size of a run's annotations. If there is no room for all annotations, the
 * store drops those of the runs that were least recently annotated. */
void
_lsobs_run_store_set_annotations_size (LsobsRunStore *self, const char *id, gsize n_bytes)
{
  Entry *entry;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  entry = find_entry_unlocked (self, id);
  if (entry != NULL && entry->annotations != NULL)
    {
      self->n_bytes += n_bytes - entry->n_bytes;
      entry->n_bytes = n_bytes;
      g_queue_unlink (&self->annotated, &entry->annotated_link);
      g_queue_push_tail_link (&self->annotated, &entry->annotated_link);
    }
  while (self->n_bytes > MAX_ANNOTATION_BYTES)
    {
      Entry *oldest = self->annotated.head->data;

      drop_annotations_unlocked (self, oldest);
      oldest->forgotten = TRUE;
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
}

/* Forgets a run whose end is delivered or lost at every destination, and remembers its id. */
void
_lsobs_run_store_finish (LsobsRunStore *self, const LsobsId *id)
{
  LsobsId *slot;

  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  g_hash_table_remove (self->entries, id);
  if (!g_hash_table_contains (self->finished, id))
    {
      if (self->finished_ids == NULL)
        self->finished_ids = g_new0 (LsobsId, MAX_FINISHED);
      slot = &self->finished_ids[self->next_finished];
      self->next_finished = (self->next_finished + 1) % MAX_FINISHED;
      if (g_hash_table_size (self->finished) == MAX_FINISHED)
        g_hash_table_remove (self->finished, slot);
      *slot = *id;
      g_hash_table_add (self->finished, slot);
    }
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
}

/* Whether the run is one of the last that _lsobs_run_store_finish() was called for. */
gboolean
_lsobs_run_store_has_finished (LsobsRunStore *self, const char *id)
{
  LsobsId parsed;
  gboolean finished;

  if (!_lsobs_id_parse_text (&parsed, id))
    return FALSE;
  _lsobs_mutex_lock (&self->lock, LSOBS_LOCK_RUN_STORE);
  finished = g_hash_table_contains (self->finished, &parsed);
  _lsobs_mutex_unlock (&self->lock, LSOBS_LOCK_RUN_STORE);
  return finished;
}

/**
 * lsobs_run_update_decision_copy:
 * @self: the result of an update
 *
 * Copies @self.
 *
 * Returns: (transfer full): a copy
 *
 * Since: 0.1
 */
LsobsRunUpdateDecision *
lsobs_run_update_decision_copy (const LsobsRunUpdateDecision *self)
{
  LsobsRunUpdateDecision *copy;

  g_return_val_if_fail (self != NULL, NULL);

  copy = g_memdup2 (self, sizeof *self);
  copy->error_text = g_strdup (self->error_text);
  return copy;
}

/**
 * lsobs_run_update_decision_free:
 * @self: (transfer full): the result of an update
 *
 * Frees @self.
 *
 * Since: 0.1
 */
void
lsobs_run_update_decision_free (LsobsRunUpdateDecision *self)
{
  g_return_if_fail (self != NULL);

  g_free (self->error_text);
  g_free (self);
}

/**
 * lsobs_run_metadata_copy:
 * @self: the state of a run
 *
 * Copies @self.
 *
 * Returns: (transfer full): a copy
 *
 * Since: 0.1
 */
LsobsRunMetadata *
lsobs_run_metadata_copy (const LsobsRunMetadata *self)
{
  LsobsRunMetadata *copy;

  g_return_val_if_fail (self != NULL, NULL);

  copy = g_memdup2 (self, sizeof *self);
  copy->error_text = g_strdup (self->error_text);
  return copy;
}

/**
 * lsobs_run_metadata_free:
 * @self: (transfer full): the state of a run
 *
 * Frees @self.
 *
 * Since: 0.1
 */
void
lsobs_run_metadata_free (LsobsRunMetadata *self)
{
  g_return_if_fail (self != NULL);

  g_free (self->error_text);
  g_free (self);
}
