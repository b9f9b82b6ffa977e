"""What the kinds of findings and the places of rules are called where a person reads them."""

from __future__ import annotations

import json

from pipeline.errors import as_argument, shown

_TITLES = {
    # Our own kinds.
    "not_finite": "infinite numbers",
    "label_leak": "gives the label away",
    "near_label_leak": "nearly gives the label away",
    "empty_span": "no rows in the span",
    "span_out_of_order": "earlier than the span before",
    "short_span": "far fewer rows than usual",
    "long_span": "far more rows than usual",
    "all_missing": "no value at all",
    "duplicate_rows": "repeated rows",
    "label_noise": "labels that look wrong",
    "constant_column": "one value in every row",
    "missing_rate_change": "values are missing more or less often",
    "new_values": "values that were not there before",
    "vanished_values": "values that are there no more",
    # TFDV's types of anomaly (AnomalyInfo.Type in tensorflow_metadata), in their order there.
    "unknown_type": "not as the schema says",
    "multiple_reasons": "breaks the schema in several ways",
    "bool_type_big_int": "numbers too great for a yes or no",
    "bool_type_bytes_not_int": "text instead of a yes or no",
    "bool_type_bytes_not_string": "bytes that are no text instead of a yes or no",
    "bool_type_float_not_int": "fractions instead of a yes or no",
    "bool_type_float_not_string": "fractions instead of a yes or no in text",
    "bool_type_int_not_string": "whole numbers instead of a yes or no in text",
    "bool_type_small_int": "numbers too small for a yes or no",
    "bool_type_string_not_int": "text instead of a yes or no",
    "bool_type_unexpected_string": "text that is neither yes nor no",
    "bool_type_unexpected_float": "fractions that are neither yes nor no",
    "bool_type_invalid_config": "the schema's rule for a yes or no contradicts itself",
    "enum_type_bytes_not_string": "bytes that are no text",
    "enum_type_float_not_string": "fractions instead of text",
    "enum_type_int_not_string": "whole numbers instead of text",
    "enum_type_invalid_utf8": "text that is not UTF-8",
    "enum_type_unexpected_string_values": "values that the schema does not list",
    "feature_type_high_number_values": "too many values in a cell",
    "feature_type_low_fraction_present": "missing in too many rows",
    "feature_type_low_number_present": "present in too few rows",
    "feature_type_low_number_values": "too few values in a cell",
    "feature_type_not_present": "no value at all",
    "feature_type_no_values": "cells without a value",
    "feature_type_unexpected_repeated": "several values in a cell that should hold one",
    "feature_type_high_unique": "too many different values",
    "feature_type_low_unique": "too few different values",
    "feature_type_no_unique": "different values cannot be counted",
    "float_type_big_float": "numbers greater than allowed",
    "float_type_not_float": "not a number with a fraction",
    "float_type_small_float": "numbers smaller than allowed",
    "float_type_string_not_float": "text that is no number",
    "float_type_non_string": "numbers instead of text",
    "float_type_unknown_type_number": "numbers of another type than the schema says",
    "float_type_has_nan": "values that are not a number",
    "float_type_has_inf": "infinite numbers",
    "int_type_big_int": "numbers greater than allowed",
    "int_type_int_expected": "not a whole number",
    "int_type_not_int_string": "text that is no whole number",
    "int_type_not_string": "whole numbers instead of text",
    "int_type_small_int": "numbers smaller than allowed",
    "int_type_string_expected": "numbers instead of text",
    "int_type_unknown_type_number": "numbers of another type than the schema says",
    "low_supported_image_fraction": "too few images that can be read",
    "schema_missing_column": "the column is missing",
    "schema_new_column": "a column that the schema does not know",
    "schema_training_serving_skew": "training and serving differ",
    "string_type_now_float": "fractions instead of text",
    "string_type_now_int": "whole numbers instead of text",
    "comparator_control_data_missing": "nothing to compare with",
    "comparator_treatment_data_missing": "nothing to compare",
    "comparator_l_infty_high": "the values are spread differently",
    "comparator_jensen_shannon_divergence_high": "the numbers are spread differently",
    "comparator_normalized_absolute_difference_high": "the counts of values differ",
    "no_data_in_span": "no rows",
    "sparse_feature_missing_value": "a sparse column without its values",
    "sparse_feature_missing_index": "a sparse column without its places",
    "sparse_feature_length_mismatch": "a sparse column whose values and places differ in number",
    "sparse_feature_name_collision": "a sparse column with the name of another",
    "semantic_domain_update": "the values seem to mean something else",
    "comparator_low_num_examples": "fewer rows than before",
    "comparator_high_num_examples": "more rows than before",
    "dataset_low_num_examples": "too few rows",
    "dataset_high_num_examples": "too many rows",
    "weighted_feature_name_collision": "a weighted column with the name of another",
    "weighted_feature_missing_value": "a weighted column without its values",
    "weighted_feature_missing_weight": "a weighted column without its weights",
    "weighted_feature_length_mismatch": "a weighted column whose values and weights differ in number",
    "value_nestedness_mismatch": "lists nested more or less deeply than the schema says",
    "domain_invalid_for_type": "the schema's allowed values do not fit the type",
    "feature_missing_name": "the schema has a column without a name",
    "feature_missing_type": "the schema has a column without a type",
    "invalid_schema_specification": "the schema contradicts itself",
    "invalid_domain_specification": "the schema's allowed values contradict themselves",
    "unexpected_data_type": "another type than the schema says",
    "sequence_value_too_few_occurrences": "a value too seldom in a list",
    "sequence_value_too_many_occurrences": "a value too often in a list",
    "sequence_value_too_small_fraction": "a value in too small a part of a list",
    "sequence_value_too_large_fraction": "a value in too great a part of a list",
    "feature_coverage_too_low": "the vocabulary covers too little of the text",
    "feature_coverage_too_short_avg_token_length": "the vocabulary's pieces of text are too short",
    "nlp_wrong_location": "a piece of text in the wrong place",
    "embedding_shape_invalid": "vectors of the wrong size",
    "max_image_byte_size_exceeded": "images that are too large",
    "invalid_feature_shape": "lists of another size than the schema says",
    "stats_not_available": "nothing to hold against the schema",
    "derived_feature_bad_lifecycle": "a derived column in the wrong stage of its life",
    "derived_feature_invalid_source": "a derived column without its source",
    "custom_validation": "breaks a rule of your own",
}


def title_of(kind: str) -> str:
    """Return what is wrong, in a few words; a kind of a later TFDV is what it breaks: the schema."""
    return _TITLES.get(kind, _TITLES["unknown_type"])


OF_A_SPAN = {"short_span": "least", "long_span": "most", "empty_span": "", "span_out_of_order": ""}
"""Kinds of findings about a whole span, with the bound in the policy's `volume` that lets it pass."""


def remedy_for(kind: str, feature: str | None, place: str) -> str:
    """Return what to do about it besides fixing the data or the rule; "" where there is nothing else."""
    if kind in OF_A_SPAN and place.startswith("span "):
        bound, span = OF_A_SPAN[kind], place.removeprefix("span ")
        leave = f"`longhaul drop --span {span}` leaves the span out until it is whole (`--back` takes it in again)"
        return leave + (f"; `volume: {{{bound}: …}}` in the policy moves the bound" if bound else "")
    if kind not in ("label_leak", "near_label_leak"):
        return ""
    name, argument = shown(feature or ""), as_argument(feature or "")
    return (
        f"if {name} is known only together with the label, `longhaul drop --exclude {argument}` keeps it from the "
        f"model (features.exclude), `longhaul drop {argument}` out of the table (data.drop); if it is known in "
        f"time, features: {{{json.dumps(feature or '', ensure_ascii=False)}: {{severity: {{{kind}: ignore}}}}}} in the "
        "policy (NAME.policy.yaml beside the schema) lets it pass"
    )


def rule_text(rule: str) -> str:
    """Return where a rule stands that can be edited, from `Finding.rule`; "" of a check that has no setting."""
    where, _, name = rule.partition(": ")
    if where == "code":
        return f"rule: {name}"
    if where == "check" or not name:
        return ""
    return f"rule: {name} in the {where}"
