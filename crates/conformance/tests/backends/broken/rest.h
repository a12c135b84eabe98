/* Forwards every function that the file before it did not define. */
#ifndef OWN_INIT
INIT { return PASS_INIT; }
#endif
#ifndef OWN_DESTROY
DESTROY { inner_destroy(ctx); }
#endif
#ifndef OWN_COUNT
COUNT { return inner_get_device_count(); }
#endif
#ifndef OWN_LOAD
LOAD { return PASS_LOAD; }
#endif
#ifndef OWN_UNLOAD
UNLOAD { inner_unload_model(model); }
#endif
#ifndef OWN_MODEL_USAGE
MODEL_USAGE { return inner_model_get_vram_usage(model); }
#endif
#ifndef OWN_START
START { return PASS_START; }
#endif
#ifndef OWN_NEXT
NEXT { return PASS_NEXT; }
#endif
#ifndef OWN_FREE
FREE { inner_inference_free(result); }
#endif
#ifndef OWN_RESIDENT
RESIDENT { return PASS_RESIDENT; }
#endif
#ifndef OWN_USAGE
USAGE { return inner_get_vram_usage(model); }
#endif
#ifndef OWN_PROCESS_USAGE
PROCESS_USAGE { return inner_get_process_vram_usage(ctx); }
#endif
#ifndef OWN_HEALTH
HEALTH { return PASS_HEALTH; }
#endif
#ifndef OWN_MESSAGE
MESSAGE { return inner_error_message(error_code); }
#endif
