package ra

// Dictionary lets tests see that no language lacks a word.
var Dictionary = dictionary
