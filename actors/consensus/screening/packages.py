"""Import names of packages that programs commonly use.

Provenance: written down by hand from general knowledge of the Python ecosystem, as import names (``yaml``, not ``PyYAML``), with
distribution names added where people import by them. It was not taken from any index. A name that is missing is only flagged.
"""

PACKAGES: frozenset[str] = frozenset(
    """
absl accelerate acme adal adbc_driver_manager aenum affine agate ahocorasick aioboto3 aiobotocore aiocache aiodns
aiofiles aiogram aiohttp aiohttp_cors aiohttp_retry aioitertools aiokafka aiomultiprocess aiomysql aiopg aioredis
aiormq aiosignal aiosmtplib aiosqlite airflow ajsonrpc alabaster alembic algoliasearch aliyunsdkcore allauth allure
altair altgraph amqp amqplib aniso8601 annotated_types annoy ansible anthropic antlr4 anyio apache_beam apispec
appdirs appium apprise apscheduler arango arcgis arch argcomplete argh argon2 argparse_dataclass arrow arviz
asgi_lifespan asgiref asn1crypto assertpy ast_decompiler asteval astor astral astroid astropy asttokens astunparse
async_generator async_lru async_timeout asyncclick asyncmy asyncpg asyncssh atomicwrites attr attrs audioread authlib
autobahn autofaker autogluon autograd automat autopep8 autosklearn av avro awkward aws_cdk aws_lambda_powertools
aws_xray_sdk awscli awscrt awswrangler azure babel backcall backoff backports bandit baron basemap bashlex bcrypt
beaker beartype beautifulsoup4 behave billiard binaryornot bioblend bitarray bitstring bitstruct black bleach blessed
blessings blinker blis blosc bokeh boltons boto boto3 botocore bottle bottleneck braintree branca brotli brotlicffi
bs4 bson build bumpversion bumpy bw2calc cachecontrol cached_property cachelib cachetools cachy cairo cairocffi
cairosvg calmap can canonicaljson cartopy cassandra catalogue catboost cattr cattrs causalml cbor cbor2 celery
cerberus certbot certifi cffi cfgv cftime chainer chainlit chalice chameleon channels chardet charset_normalizer
chart_studio cheetah cherrypy chevron chex chromadb cinderclient circuitbreaker cirq ciso8601 cityhash clang cleo
click click_default_group click_log click_plugins click_repl cliff cligj clint clip cloudant cloudevents cloudinary
cloudpathlib cloudpickle cloudscraper cma cmdstanpy cognitojwt cohere colorama colorcet colorclass colorful colorlog
colorlover colors colour commonmark compressed_rtf comtypes conan conda confection configargparse configobj
configparser2 confluent_kafka connexion consolemenu constantly construct consul contextily contextlib2 contourpy
control convertdate cookiecutter cookies copier coreapi coreschema corner couchbase couchdb country_converter coverage
cppy cpuinfo cramjam crashtest crcmod creme croniter Crypto Cryptodome cryptography cssselect cssselect2 cssutils
ctranslate2 cupy curl_cffi curtsies cv2 cvxopt cvxpy cx_Freeze cx_Oracle cycler cymem cython Cython dacite daphne dash
dash_bootstrap_components dask databases databricks dataclasses_json datadog datasets dateparser dateutil dbt deap
debugpy decorator decouple deepdiff deepmerge deepspeed defusedxml delta deltalake demjson3 deprecated deprecation
detectron2 devtools dicom dicttoxml diff_match_patch diffusers dill dirtyjson discord diskcache distlib distributed
distro distutils django django_celery_beat django_extensions django_filters django_redis djangorestframework djoser
dm_tree dns dnspython docker dockerfile docket docopt docstring_parser docutils docx docx2txt docxtpl dogpile dominate
dotenv dotmap dotty_dict drf_spectacular drf_yasg dropbox duckdb duckduckgo_search dulwich dynaconf earthengine
easydict easygui easyocr ebooklib ecdsa ee einops elasticapm elasticsearch elasticsearch_dsl eli5 email_validator
emcee emoji enchant engineio enlighten enum34 environ environs ephem epiweeks escpos et_xmlfile etcd3 etelemetry
eth_account eth_utils evaluate evdev eventlet exceptiongroup exchangelib execnet executing exifread extract_msg fabric
facebook factory faiss fake_useragent faker faker_file fakeredis falcon fast_depends fastai fastapi fastapi_users
fastavro fastcache fastcluster fastcore fasteners fastjsonschema fastparquet fastprogress fasttext faust feather
featuretools feedgen feedparser ffmpeg ffmpy fieldz filelock filetype filterpy fiona fire firebase_admin fitz flair
flake8 flasgger flask flask_admin flask_babel flask_bcrypt flask_caching flask_compress flask_cors flask_httpauth
flask_jwt_extended flask_limiter flask_login flask_mail flask_marshmallow flask_migrate flask_mongoengine flask_openid
flask_principal flask_pymongo flask_restful flask_restx flask_script flask_seasurf flask_security flask_session
flask_smorest flask_socketio flask_sqlalchemy flask_swagger_ui flask_talisman flask_testing flask_wtf flatbuffers
flatten_dict flax flet flexmock flit flit_core flower fluent folium fontTools forex_python formencode formulaic fpdf
freezegun frozendict frozenlist fs fsspec ftfy funcy furl future fuzzywuzzy gast gcsfs gdal gdown gensim geoalchemy2
geocoder geoip2 geojson geopandas geopy gevent ghp_import gi git gitdb github gitlab gladiator glob2 glom gluonts
gmpy2 gnupg google google_auth_oauthlib googleapiclient googlemaps googletrans gpiozero gplearn gpytorch gql gradio
graphene graphene_django graphlib_backport graphql graphviz great_expectations greenlet griffe grpc grpc_tools gspread
gunicorn guppy gym gymnasium h11 h2 h3 h5py haiku halo handlers hangups hashids hashin haystack hdbscan hdfs healpy
heapdict helium hiredis hjson hmmlearn holidays holoviews hpack html2image html2text html5lib htmlmin httpcore
httplib2 httptools httpx httpx_sse huggingface_hub humanfriendly humanize hupper hvac hvplot hydra hypercorn
hyperframe hyperlink hyperopt hypothesis ib_insync ibis ibm_boto3 ibm_db icalendar icecream identify idna ijson
imagehash imageio imageio_ffmpeg imagesize imap_tools imapclient imblearn immutabledict implicit importlib_metadata
importlib_resources imutils incremental inflect inflection influxdb influxdb_client iniconfig inject inquirer
instaloader instructor interpret intervaltree invoke ipaddress2 ipdb iptools ipykernel ipython IPython
ipython_genutils ipywidgets isodate isort itemadapter itemloaders itsdangerous jaeger_client janus jaraco javabridge
jax jaxlib jdatetime jedi jeepney jellyfish jenkins jieba jinja2 jira jiter jmespath joblib johnnydep jose josepy
jpype js2py json5 json_log_formatter json_repair jsonargparse jsondiff jsonlines jsonpatch jsonpath_ng jsonpickle
jsonpointer jsonref jsonschema junit_xml junitparser jupyter jupyter_client jupyter_core jupyterlab jupytext jwcrypto
jwt kafka kaggle kazoo keras keras_tuner kerberos keyboard keyring keystoneclient kfp kivy kiwisolver kombu kornia
kubernetes kubernetes_asyncio langchain langchain_community langchain_core langchain_openai langcodes langdetect
langgraph langid langsmith lark lasio launchdarkly_api lazy_object_proxy ldap ldap3 leidenalg Levenshtein levenshtein
libcloud libcst librosa libtmux lifelines lightgbm lightning lightning_fabric line_profiler linkify_it litellm
litestar livekit livereload llama_cpp llama_index llvmlite lm_eval lmdb lmfit loader locket locust logbook logfire
logging_tree loguru lru luigi lunarcalendar lxml lz4 m2r magic mailchimp_marketing mako manimlib markdown markdown2
markdown_it markdownify marko markupsafe marshmallow marshmallow_sqlalchemy mashumaro matplotlib matplotlib_inline
maxminddb mccabe mdurl mechanicalsoup mechanize memcache memory_profiler mercantile mergedeep mesh_tensorflow meson
metaflow mido milvus mimesis minio mip mistune mitmproxy mlflow mlxtend mmcv mmengine mmh3 mock model_bakery
model_utils modin molotov moneyed mongoengine mongomock monotonic more_itertools moto motor mouse moviepy mpi4py
mplcursors mpld3 mplfinance mpmath msal msal_extensions msgpack msgspec msrest multidict multipart multipledispatch
multiprocess munch murmurhash music21 mutagen mxnet mypy mypy_extensions mysql mysqlclient MySQLdb nacl nameparser
nats natsort nbclient nbconvert nbformat ndg neo4j nest_asyncio netaddr netCDF4 netifaces netmiko networkx nevergrad
newrelic newspaper nibabel nicegui ninja nltk nmap nodeenv nornir nose nose2 notebook notifiers notion_client
novaclient nox numba numcodecs numdifftools numexpr numpy numpy_financial numpydoc nvidia nvsmi oauth2client oauthlib
objgraph odfpy oletools omegaconf onnx onnxconverter_common onnxruntime openai openapi_schema_validator opencc
openpyxl opensearchpy openseespy openstack opentelemetry opentracing opt_einsum optax optuna oracledb orbax
ordered_set orderly_set orjson ortools oslo_config osmnx oss2 ossaudiodev2 outcome overrides oyaml packaging paddle
paho palettable pamela pandas pandas_datareader pandas_gbq pandas_ta pandasql pandera panel parallelssh param
parameterized paramiko parse parsel parsimonious parso partd passlib paste pastel path pathos pathspec pathvalidate
pathy patool patsy paypalrestsdk pbr pcapy pdf2image pdfkit pdfminer pdfplumber pdfrw pebble peewee pefile peft
pelican pendulum pep517 pep8 pexpect pg8000 pgcli pgpy pgvector phonenumber_field phonenumbers pickle5 piexif pika
pikepdf PIL pillow pillow_heif pinecone pint pip pipdeptree pipenv pipx pkg_resources pkginfo plac plaid platformdirs
playhouse playsound playwright plotly plotnine pluggy plumbum ply pmdarima podman poetry polars polib polyfactory
polyglot pooch portalocker portpicker posthog ppft pprintpp pptx praw prawcore pre_commit precis_i18n prefect preggy
presto prettytable priority procrunner progress progressbar prometheus_client prompt_toolkit propcache prophet proto
protobuf proxmoxer psutil psycopg psycopg2 psycopg_pool ptpython ptyprocess pulp pulsar pulumi pure_eval py py4j pyaes
pyairtable pyarrow pyaudio pyautogui pybind11 pybtex pycaret pyclipper pycocotools pycodestyle pycognito pycountry
pycparser pycryptodome pycurl pydantic pydantic_core pydantic_settings pydash pydeck pydicom pydocstyle pydoop pydot
pydotplus pydrive pydub pyecharts pyee pyexcel pyfakefs pyfiglet pyflakes pygal pygame pygit2 pyglet pygments
pygsheets pygtrie pyhive pyinotify PyInstaller pyld pylint pyloudnorm pymatgen pymc pymc3 pymemcache pymodbus pymongo
pymsgbox pymssql pymupdf pymysql pynamodb pynput pynvml pyod pyodbc pyomo pyotp pypandoc pypdf PyPDF2 pyperclip
pyppeteer pyproj pyproject_hooks pyqrcode PyQt5 PyQt6 pyqtgraph pyramid pyrebase pyro pyroma pyrsistent pysal pysam
pyscreeze pysftp pyshark PySide2 PySide6 pysmb pysnmp pysolr pyspark pyspnego pystan pystray pytesseract pytest
pytest_asyncio pytest_bdd pytest_django pytest_html pytest_mock python_http_client pythonjsonlogger pytimeparse
pytorch_lightning pytrends pytube pytz pyudev pyunpack pyvis pyvisa pyvista pywintypes pywt pyximport pyxlsb pyzbar
qdrant_client qiskit qrcode quandl quantlib quart questionary queuelib rapidfuzz rarfile rasterio ratelimit
ratelimiter ray rdflib rdkit readabilipy readability readme_renderer recommonmark recordlinkage redbaron redis
redis_lock redmail redshift_connector referencing regex reportlab repoze requests requests_aws4auth requests_cache
requests_file requests_futures requests_html requests_mock requests_ntlm requests_oauthlib requests_toolbelt
requirements resampy resend responses rest_framework rest_framework_simplejwt restructuredtext_lint retry retrying
rfc3339 rfc3986 rfc8785 rich rich_click robobrowser robot robotframework rollbar rope rpds rpyc rq rsa rtree ruamel
ruff ruptures rx s3fs s3transfer sacrebleu sacremoses safetensors safety sagemaker salesforce samplerate sanic
sarif_om saspy scapy schedule schema schematics scienceplots scikit_learn scikitplot scikits scipy scipy_optimize
scour scp scramp scrapy seaborn secretstorage segno selectolax selenium seleniumwire semantic_version semver sendgrid
sentence_transformers sentencepiece sentry_sdk serial service_identity setproctitle setuptools setuptools_scm sgqlc sh
shap shapely shellingham shortuuid shtab simple_salesforce simpleeval simplejson simplekml simpy six skimage sklearn
skopt slack slack_bolt slack_sdk slackclient slugify smart_open smbprotocol smmap snappy sniffio snowballstemmer
snowflake social_core social_django socketio socks sortedcontainers sounddevice soundfile soupsieve spacy spacy_legacy
sparqlwrapper SPARQLWrapper speech_recognition sphinx sphinx_rtd_theme splinter splitio sqlalchemy sqlalchemy_utils
sqlfluff sqlglot sqlite_utils sqlmodel sqlparse square srsly srt ssdeep sse_starlette sseclient sshtunnel stack_data
stamina stanza starlette starlette_exporter statsd statsmodels stem stevedore stopit strawberry streamlit strenum
strictyaml stripe structlog stumpy suds sumy superset supervision supervisor surprise svgpathtools svgwrite
swagger_client sympy tables tablib tabula tabulate tantivy tblib telebot telegram telethon tenacity tencentcloud
tensorboard tensorboardX tensorflow tensorflow_datasets tensorflow_hub tensorflow_probability termcolor terminado
terminaltables testcontainers testfixtures testpath textblob textdistance textstat texttable textual textwrap3
tf_keras theano thefuzz thinc thop threadpoolctl thrift tifffile tiktoken timezonefinder timm tinycss2 tinydb
tinyhtml5 tkcalendar tldextract tokenizers toml tomli tomli_w tomlkit toolz toposort torch torch_geometric torchaudio
torchmetrics torchtext torchvision tornado tortoise tox tqdm traceback2 trafilatura traitlets transaction transformers
transitions trax treelib trio trio_websocket triton trl trove_classifiers truststore tushare tweepy twilio twine
twisted txaio typeguard typer types_requests typing_extensions typing_inspect typing_inspection tzdata tzlocal
ua_parser ufo2ft ujson ulid umap unicodecsv unidecode unidiff unittest_xml_reporting unstructured untangle uritemplate
uritools url_normalize urllib3 urwid usb user_agents uvicorn uvloop vaderSentiment validate_email validators vcr vcrpy
venusian verboselogs versioneer vine virtualenv virtualenvwrapper visdom vispy vllm vobject voluptuous vtk vyper
waitress wand wandb wasabi watchdog watchfiles watchgod watchtower wcmatch wcwidth weasel weasyprint weaviate web3
webargs webauthn webcolors webdriver_manager webencodings webob websocket websockets webtest werkzeug wget wheel
whitenoise whoosh widgetsnbextension wikipedia win32api win32com win32con win32gui wordcloud wrapt ws4py wsproto
wtforms wurlitzer wx xarray xgboost xhtml2pdf xlrd xlsxwriter xlutils xlwings xlwt xmljson xmlschema xmlsec xmltodict
xxhash xyzservices yagmail yaml yamllint yappi yarl yaspin yfinance youtube_dl yt_dlp z3 zarr zc zeep zeroconf zict
zipp zipstream zmq zope zstandard zstd
""".split()
)
