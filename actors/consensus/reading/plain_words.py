"""Words that describe data and what is computed from them, and tell nobody to do anything else. A closed list.

Answers to one question remark on their code in different words, and none of it matters. What does is a remark that speaks to
whoever reads or runs the code: it names a host, a package, a command, a person, a permission, a verdict. Of the words here no
such sentence can be made, so they are nobody's own (``elements``).

Rules:
- Articles, pronouns, prepositions, numerals, units of data and mathematics, and verbs of computing (*sort*, *count*, *return*).
- No verbs of acting on a system or a person (*run*, *install*, *import*, *open*, *ignore*, *approve*, *trust*), no nouns of what
  lies outside a function (*file*, *script*, *server*, *key*, *user*, *version*, *build*, *helper*), no judgements (*verified*,
  *reviewed*, *safe*, *passed*).
- Lower case; inflections are listed one by one, so that nothing comes in by a rule.

The list was begun from the remarks of the recorded HumanEval answers of Qwen2.5-Coder-0.5B and holds most of their commoner
words, with others of the same classes.
"""

PLAIN_WORDS = frozenset(
    """
    a about above absolute accordingly across add added adding addition adds adjacent after again algorithm all alphabet
    alphabetic alphabetical alphanumeric already also always am among an anagram and angle angles another any apart appear
    appearing appears append appended appending appends approach approximately are area argument arguments around array
    arrays as ascending assign assigned assigns at average averages back backwards balanced base based be because become
    becomes been before begin beginning begins behind being below between beyond big bigger biggest binary bit bits blank
    bool boolean both bottom bounds brace braces bracket brackets but by calculate calculated calculates calculating
    calculation can cannot case cases ceiling center char character characters chars check checked checking checks circle
    circular closer closest closing coefficient coefficients collect collected collects column columns combination
    combinations combine combined combines combining comma commas compare compared compares comparing comparison complete
    completes complex complexity composite comprehension computation compute computed computes computing concatenate
    concatenated concatenates concatenating concatenation condition conditions consecutive consider considered considering
    considers consist consists consonant consonants constant constants construct constructed constructs contain contained
    containing contains continue continues conversion convert converted converting converts correspond corresponding
    corresponds could count counted counter counters counting counts create created creates creating cube cubes current
    cycle cycles cyclic d data date day days decimal decimals decreasing decrement decremented decrements define defined
    defines definition degree degrees delimiter delimiters depth descending desired determine determined determines
    deviation diagonal dict dictionaries dictionary did difference differences different digit digits direction directions
    directly distance distances distinct divide divided divides dividing divisibility divisible division divisor divisors do
    does done double down duplicate duplicated duplicates during e each edge edges efficient efficiently eight either
    element elements else empty encounter encountered encounters end ended ending ends enough ensure ensures ensuring
    entries entry equal equally equals equation etc even every exactly example examples exceed exceeds exclude excluded
    excludes excluding exist exists explanation exponent exponents expression extend extract extracted extracts f factor
    factorial factorials factors false few fewer fibonacci filter filtered filtering filters final finally find finding
    finds first five float floating floats floor follow followed following follows for form forms formula forwards found
    four fourth fraction fractional frequencies frequency from front full function functions g generate generated generates
    generating generator get gets give given gives got graph great greater greatest grid had half halves handle handled
    handles handling has have having height hence here hexadecimal high higher highest hold holding holds hour hours how
    hundred hyphen hyphens identical identifies identify if implement implementing implements impossible in include included
    includes including increasing increment incremented incrementing increments index indexes indices individual indivisible
    initial initialise initialises initialize initialized initializes inner input inputs insert inserted inserts int integer
    integers intersection into is it item items iterate iterated iterates iterating iteration iterations iterative
    iteratively iterator its itself join joined joining joins just keep keeps kept lambda large larger largest last leading
    leap least left length lengths less letter letters level levels like linear list lists logarithm logarithmic logic long
    longer longest lookup loop loops low lower lowercase lowest made make makes many map mapped mapping maps match matched
    matches matching matrix max maximal maximum may mean meaning means median member members method methods middle might min
    minimal minimum minute minutes mode modulo modulus month months more most move moved moves moving much multiple
    multiples multiplication multiplied multiplies multiply multiplying must n nd nearest need needed needs negative
    neighbor neighboring neighbors neighbouring neither nested never new next nine no node nodes non none nonempty
    nonnegative nonzero nor not note nth number numbers numeric numerical object occur occurrence occurrences occurs octal
    odd of off often old on once one ones only onto onwards opening operation operations opposite optimal or order ordered
    orders original other others otherwise our out outer output outputs over overall overlapping pair pairs palindrome
    palindromes palindromic parameter parameters parentheses parenthesis part partition parts path paths per perform
    performing performs perimeter permutation permutations place places point pointers points polynomial polynomials
    position positions positive possible power powers precede precedes preceding prefix prefixes previous prime primes
    problem product products provided punctuation quadratic queue quote quotes quotient r radius range ranges rational rd
    reach reached reaches real rectangle recursion recursive recursively remain remainder remainders remaining remains
    remove removed removes removing repeated repeatedly repeating replace replaced replaces replacing represent represented
    representing represents respective respectively rest result resulting results return returned returning returns reversal
    reverse reversed reverses reversing right root roots rotate rotates rotation round rounded rounding rounds row rows s
    same search searches searching second seen semi semiperimeter sentence sentences separate separated separately separates
    separator separators sequence sequences series set sets seven several shall shift shifted shifting shifts short shorter
    shortest should side sides sign similar simply since single six size sizes skip skipped skips slice slices slicing small
    smaller smallest so solution some sort sorted sorting sorts space spaces split splits splitting square squared squares
    st stack start started starting starts state step steps still stop stops store stored stores storing string strings
    strip stripped stripping strips structure subsequence subset subsets substring substrings subtotal subtract subtracted
    subtracting subtraction subtracts such suffix suffixes sum summing sums swap swapped swapping swaps symmetric t take
    taken takes taking ten test tests text th than that the their them themselves then there therefore these they third this
    those though thousand three through thus time to together top total totals track tracking tracks trailing traverse
    traverses traversing tree triangle triangles triple triples true truncate truncated tuple tuples two unbalanced
    unchanged under unequal union unique unless unmatched unordered unsorted until up update updated updates updating upper
    uppercase usage use used uses using value values variable variables variance vector vectors visited vowel vowels was way
    we week weeks were what when where whether which while whitespace who whole whose width will with within without word
    words would year years yet yield yields zero zeros
    """.split()
)
